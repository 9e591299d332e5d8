import { cleanup, render } from "@testing-library/react";
import * as fc from "fast-check";
import { Lexer } from "marked";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

import { hostileMarkdown } from "@/test/hostile-markdown";

import { createIncrementalLexer } from "./lexer";
import { Markdown } from "./markdown";

/** The page's own policy, but for what the test runner itself needs. */
const POLICY =
  "script-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; " +
  "frame-src 'none'; object-src 'none'; media-src 'none'; base-uri 'none'; " +
  "form-action 'self'; require-trusted-types-for 'script'";

const violations: string[] = [];
const ALLOWED_TAGS = new Set(
  (
    "div p span strong em del code pre br hr a ul ol li blockquote table thead tbody tr th td " +
    "h3 h4 input button svg path"
  ).split(" "),
);
const ALLOWED_ATTRIBUTES =
  /^(?:class|dir|role|aria-[a-z]+|tabindex|title|href|target|rel|start|type|checked|disabled|readonly|width|height|viewBox|fill|stroke[a-z-]*|d)$/;

function note(event: SecurityPolicyViolationEvent): void {
  violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
}

beforeAll(() => {
  addEventListener("securitypolicyviolation", note);
  const policy = document.createElement("meta");
  policy.httpEquiv = "Content-Security-Policy";
  policy.content = POLICY;
  document.head.append(policy);
});

afterAll(() => removeEventListener("securitypolicyviolation", note));

function shown(text: string, isOpen: boolean): HTMLElement {
  return render(<Markdown text={text} isOpen={isOpen} />).container;
}

function faultsIn(container: HTMLElement): string[] {
  const faults: string[] = [];
  for (const element of container.querySelectorAll("*")) {
    const tag = element.tagName.toLowerCase();
    if (!ALLOWED_TAGS.has(tag)) faults.push(`<${tag}>`);
    for (const { name } of element.attributes) {
      if (!ALLOWED_ATTRIBUTES.test(name)) faults.push(`${tag}[${name}]`);
    }
    if (tag === "a" && !/^(?:https?|mailto):/.test((element as HTMLAnchorElement).href)) {
      faults.push(element.outerHTML);
    }
    if (tag === "input" && (element as HTMLInputElement).type !== "checkbox") faults.push("input");
  }
  return faults;
}

/** Lets every handler, image and frame that was let in have its turn. */
async function settle(container: HTMLElement): Promise<void> {
  for (const element of container.querySelectorAll<HTMLElement>("*")) {
    for (const type of ["mouseover", "focus", "toggle"]) element.dispatchEvent(new Event(type));
  }
  await new Promise((resolve) => {
    setTimeout(resolve, 0);
  });
}

describe("hostile text in a real browser under the page's policy", () => {
  it("is a corpus worth the name, and the policy is on", async () => {
    expect(new Set(hostileMarkdown).size).toBeGreaterThanOrEqual(120);
    expect(() => {
      document.createElement("div").innerHTML = "<b>x</b>";
    }).toThrow(TypeError);
    await expect.poll(() => violations.length).toBe(1);
    violations.length = 0;
  });

  it("stays text: no script runs, nothing is asked of anybody", async () => {
    const asked = vi.spyOn(globalThis, "fetch");
    performance.clearResourceTimings();
    const found: string[] = [];
    for (const text of hostileMarkdown) {
      for (const isOpen of [false, true]) {
        const container = shown(text, isOpen);
        found.push(...faultsIn(container).map((fault) => `${text}: ${fault}`));
        await settle(container);
        cleanup();
      }
    }
    expect(found).toEqual([]);
    expect(violations).toEqual([]);
    expect(asked).not.toHaveBeenCalled();
    expect("__pwned" in globalThis).toBe(false);
    const names = performance.getEntriesByType("resource").map(({ name }) => name);
    expect(names.filter((name) => name.includes("evil"))).toEqual([]);
  });

  it("stays text while it comes in letter by letter", async () => {
    const text = hostileMarkdown.join("\n\n");
    const { container, rerender } = render(<Markdown text="" isOpen />);
    for (let length = 1; length < text.length; length += 97) {
      rerender(<Markdown text={text.slice(0, length)} isOpen />);
    }
    rerender(<Markdown text={text} isOpen={false} />);
    expect(faultsIn(container)).toEqual([]);
    await settle(container);
    expect(violations).toEqual([]);
    expect("__pwned" in globalThis).toBe(false);
  });
});

const line = fc.constantFrom(
  "", "", "words", "more *text* and `code`", "- item", "  - nested", "  continued", "1. one",
  "> quote", "> - in a quote", "| a | b |", "|---|---|", "| 1 | 2 |", "```", "~~~js", "    far",
  "===", "---", "-", "[ref]: https://example.org 'title'", "see [ref] and [ref][]", "# Title",
  "<div>", "</div>", "[a link](https://example.org)", "**open", "~~gone~~", "- [x] done", "***",
  "[^1]: a note", "a note[^1]", "שלום עולם", "\\", "&amp; &#35;", "https://example.org", "$x$",
);

describe("text in pieces", () => {
  it("ends as the same elements as the whole at once", () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 14 }), fc.array(fc.nat(400), { maxLength: 8 }), (lines, cuts) => {
        const text = lines.join("\n");
        const { container, rerender } = render(<Markdown text="" isOpen />);
        for (const cut of cuts.toSorted((one, other) => one - other)) {
          rerender(<Markdown text={text.slice(0, cut)} isOpen />);
        }
        rerender(<Markdown text={text} isOpen={false} />);
        const grown = container.innerHTML;
        const whole = shown(text, false).innerHTML;
        cleanup();
        expect(grown.replaceAll(/_r_\w+_/g, "")).toBe(whole.replaceAll(/_r_\w+_/g, ""));
      }),
      { numRuns: 300 },
    );
  });

  it("is lexed no further back than its last two blocks", () => {
    const blocks = Array.from({ length: 60 }, (_, index) => `Block ${index} with **words** and so on.`);
    const text = blocks.join("\n\n");
    const STEP = 5;
    const longest = Math.max(...blocks.map((block) => block.length)) + 2;
    const lexed = vi.spyOn(Lexer.prototype, "lex");
    const lex = createIncrementalLexer();
    let most = 0;
    for (let length = STEP; length <= text.length; length += STEP) {
      lexed.mockClear();
      lex(text.slice(0, length));
      const characters = lexed.mock.calls.map(([source]) => source.length);
      most = Math.max(most, characters.reduce((sum, each) => sum + each, 0));
    }
    expect(most).toBeGreaterThan(0);
    // The step itself may bring a blank line and the beginning of the next.
    expect(most).toBeLessThanOrEqual(2 * longest + 2 + STEP);
  });
});

describe("direction", () => {
  it("is each block's own, and code's never", () => {
    const text = "שלום, עולם\n\nHello\n\n- פריט\n\n> ציטוט\n\n```js\nעברית\n```\n\n| שם |\n|---|\n| אחת |";
    const container = shown(text, false);
    const direction = (selector: string) => {
      const element = container.querySelector(selector);
      return element && getComputedStyle(element).direction;
    };
    expect(direction("p")).toBe("rtl");
    expect(direction("p + p")).toBe("ltr");
    expect(direction("li")).toBe("rtl");
    expect(direction("blockquote p")).toBe("rtl");
    expect(direction("table")).toBe("rtl");
    expect(direction("pre")).toBe("ltr");
  });
});
