/** What the gateway takes as a message. */

export const MAX_TEXT = 8_000;
export const WARN_BELOW = 500;

/** Control characters other than newline and tab are refused by the gateway. */
// oxlint-disable-next-line eslint/no-control-regex -- they are what is looked for
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/** The text as it will be stored. */
export function sendableText(text: string): string {
  return text.replaceAll(/\r\n?/g, "\n").replaceAll(CONTROLS, "").toWellFormed().trim();
}

/** How many characters are left, counted as the gateway counts: code points. */
export function charactersLeft(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return MAX_TEXT - count;
}
