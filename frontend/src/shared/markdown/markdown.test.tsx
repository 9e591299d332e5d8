// @vitest-environment jsdom
import { cleanup, render } from "@testing-library/react";
import { afterEach, describe, expect, it, vi } from "vitest";

import { BlockToken } from "./block-token";
import { Markdown } from "./markdown";
import { safeUrl } from "./safe-url";

vi.mock("./block-token", { spy: true });

afterEach(cleanup);

/** Every block rendered so far, those inside another not counted. */
function renderedBlocks(): number {
  return vi.mocked(BlockToken).mock.calls.filter(([props]) => props.isOutermost).length;
}

function rendered(text: string, isOpen = false): HTMLElement {
  return render(<Markdown text={text} isOpen={isOpen} />).container;
}

const hostile = [
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  "text <svg/onload=alert(1)> text",
  "[x](javascript:alert(1))",
  "[x](JaVaScRiPt:alert(1))",
  "[x](java\nscript:alert(1))",
  "[x](&#106;avascript:alert(1))",
  "[x](&#x6A;avascript&colon;alert(1))",
  "[x](data:text/html,<script>alert(1)</script>)",
  "[x](vbscript:msgbox(1))",
  "[x](file:///etc/passwd)",
  "[x](blob:https://example.org/1)",
  "[x](//evil.example)",
  "[x](https://user:password@evil.example/)",
  "![x](javascript:alert(1))",
  "![x](https://evil.example/pixel.png)",
  "<javascript:alert(1)>",
  "[a]: javascript:alert(1)\n\n[a]",
  "<a href=\"javascript:alert(1)\">x</a>",
  "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
  "<style>*{display:none}</style>",
  "```html\n<script>alert(1)</script>\n```",
  "| <script>alert(1)</script> |\n|---|\n| [x](javascript:alert(1)) |",
  "# <b onclick=alert(1)>x</b>",
  "- <form action=javascript:alert(1)><button>x</button></form>",
  "<math><mtext></table><img src onerror=alert(1)>",
];

const ALLOWED_TAGS = new Set(
  (
    "DIV P SPAN STRONG EM DEL CODE PRE BR HR A UL OL LI BLOCKQUOTE TABLE THEAD TBODY TR TH TD " +
    "H3 H4 INPUT BUTTON svg path"
  ).split(" "),
);
const ALLOWED_INPUTS = new Set(["checkbox"]);

describe("hostile text", () => {
  it.each(hostile)("stays text: %s", (text) => {
    for (const isOpen of [false, true]) {
      const container = rendered(text, isOpen);
      for (const element of container.querySelectorAll("*")) {
        expect(ALLOWED_TAGS).toContain(element.tagName);
        for (const { name } of element.attributes) expect(name).not.toMatch(/^on|^src|^style$/);
        if (element instanceof HTMLInputElement) expect(ALLOWED_INPUTS).toContain(element.type);
        if (element instanceof HTMLAnchorElement) {
          expect(element.href).toMatch(/^(https?|mailto):/);
          expect(element.rel).toContain("noopener");
        }
      }
    }
  });
});

describe("links", () => {
  it.each([
    ["https://example.org/a?b=c", "https://example.org/a?b=c"],
    ["mailto:mara@example.org", "mailto:mara@example.org"],
    ["javascript:alert(1)", null],
    ["/v1/founder", null],
    ["https://a:b@example.org", null],
  ])("%s becomes %s", (href, url) => {
    expect(safeUrl(href)).toBe(url);
  });
});

describe("Markdown", () => {
  it("shows what a coach writes", () => {
    const container = rendered(
      "## Next\n\nAsk **five** people &amp; listen.\n\n3. three\n4. four\n\n- [x] done\n\n" +
        "| a | b |\n|---|--:|\n| 1 | 2 |\n\n`x < y`",
    );
    expect(container.querySelector("h3")?.textContent).toBe("Next");
    expect(container.querySelector("strong")?.textContent).toBe("five");
    expect(container.textContent).toContain("people & listen");
    expect(container.querySelector("ol")?.start).toBe(3);
    expect(container.querySelector("input")?.checked).toBe(true);
    expect(container.querySelectorAll("td")).toHaveLength(2);
    expect(container.querySelector("p code")?.textContent).toBe("x < y");
  });

  it.each([500, 8_000])("shows what is nested %i levels deep without breaking", (depth) => {
    const container = rendered(`${"> ".repeat(depth)}the words`, true);
    expect(container.textContent).toContain("the words");
  });

  it("leaves a reference that names no character as it is", () => {
    expect(rendered("&toString; &valueOf; &nothing;").textContent).toBe(
      "&toString; &valueOf; &nothing;",
    );
  });

  it("closes what is open while text still comes", () => {
    expect(rendered("Ask **five peo", true).querySelector("strong")?.textContent).toBe("five peo");
    expect(rendered("See [the guide](https://exam", true).textContent).toBe("See the guide");
  });

  it("renders at most two blocks when text is appended", () => {
    const paragraphs = Array.from({ length: 40 }, (_, index) => `Paragraph ${index} with **words**.`);
    const text = paragraphs.join("\n\n");
    const { rerender } = render(<Markdown text="" isOpen />);
    let most = 0;
    for (let length = 12; length <= text.length; length += 12) {
      const before = renderedBlocks();
      rerender(<Markdown text={text.slice(0, length)} isOpen />);
      most = Math.max(most, renderedBlocks() - before);
    }
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(2);
  });
});
