import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { createIncrementalLexer, lexAppended, lexBlocks } from "./lexer";

const document = `# Plan

A paragraph with **bold**, *emphasis*, \`code\` and [a link](https://example.org).
Second line.

- one
- two

  continued

  - nested
- [x] done

1. first
2. second

> quoted
> text

| a | b |
|---|--:|
| 1 | 2 |

\`\`\`python
def f():
    return "*not* emphasis"

# not a heading
\`\`\`

***

Setext
======

<script>alert(1)</script>

[ref]: https://example.org "title"

The end.`;

/** What is shown, without the identity that only rendering needs. */
function shown(text: string) {
  return lexBlocks(text).map((block) => block.token);
}

function grown(text: string, lengths: readonly number[]) {
  const lex = createIncrementalLexer();
  for (const length of lengths.toSorted((a, b) => a - b)) lex(text.slice(0, length));
  return lex(text).map((block) => block.token);
}

const line = fc.constantFrom(
  "", "", "text", "more *text*", "- item", "  - nested", "  continued", "1. one", "> quote",
  "| a | b |", "|---|---|", "| 1 | 2 |", "```", "~~~", "    indented", "===", "---", "-",
  "# head", "<div>", "</div>", "<!-- x", "-->", "[r]: http://x.org", "[r]", "* * *", "\tcode", "+ plus",
);

describe("growing text", () => {
  it("gives the blocks of the whole text, letter by letter", () => {
    const every = Array.from(document, (_, index) => index);
    expect(grown(document, every)).toEqual(shown(document));
  });

  it("gives a paragraph back that looked as if a list had ended it", () => {
    const text = "|---|---|\n-\n-->";
    expect(grown(text, [14])).toEqual(shown(text));
  });

  it("gives the blocks of the whole text for any lines in any pieces", () => {
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 14 }),
        fc.array(fc.nat(150), { maxLength: 25 }),
        (lines, lengths) => {
          const text = lines.join("\n");
          expect(grown(text, lengths)).toEqual(shown(text));
        },
      ),
      { numRuns: 3_000 },
    );
  });

  it("loses no letter", () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 14 }), (lines) => {
        const text = lines.join("\n");
        expect(lexBlocks(text).map((block) => block.raw).join("")).toBe(text);
      }),
    );
  });

  it("keeps all but its last blocks", () => {
    const lex = createIncrementalLexer();
    const before = lex(document);
    const after = lex(`${document} And more.`);
    const kept = before.filter((block, index) => after[index] === block);
    expect(kept.length).toBeGreaterThanOrEqual(before.length - 2);
  });

  const depths = [500, 2_000, 2_500, 8_000];
  it.each(depths)("keeps text nested %i levels deep, which cannot be shown", (depth) => {
    for (const mark of ["> ", "1. ", ">"]) {
      const text = `Before\n\n${mark.repeat(depth)}`;
      const blocks = lexAppended(lexBlocks(text), `${text}x`);
      expect(blocks.map((block) => block.raw).join("")).toBe(`${text}x`);
      expect(blocks.at(-1)?.token.type).toBe("paragraph");
    }
  });
});
