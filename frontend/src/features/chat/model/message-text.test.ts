import { describe, expect, it } from "vitest";

import { charactersLeft, MAX_TEXT, sendableText } from "./message-text";

describe("a message's text", () => {
  it("counts code points, as the gateway does", () => {
    expect(charactersLeft("👍🏽é")).toBe(MAX_TEXT - 3);
    expect(charactersLeft("x".repeat(MAX_TEXT + 2))).toBe(-2);
  });

  it("is sent without what the gateway would refuse", () => {
    expect(sendableText("  a\r\nb\tc\u0000\u0007\u0085 \ud800 ")).toBe("a\nb\tc \ufffd");
  });
});
