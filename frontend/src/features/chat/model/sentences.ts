/** Markdown as it is read aloud, sentence by sentence. */

const segmenter = new Intl.Segmenter(undefined, { granularity: "sentence" });

/** What can be read from `from` on, and where the sentence under way begins. */
export function finishedSentences(
  text: string,
  from: number,
): { words: string; end: number } {
  const tail = text.slice(from);
  // A line's end ends a sentence: headings and list items have no full stop.
  const lineEnd = tail.lastIndexOf("\n") + 1;
  const end = from + lineEnd + finishedLength(tail.slice(lineEnd));
  return { words: plainWords(text.slice(from, end)), end };
}

/** How much of one line is whole sentences; the last may still go on. */
function finishedLength(line: string): number {
  let length = 0;
  for (const { index } of segmenter.segment(line)) length = index;
  return length;
}

const MARKS: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  [/^\s*(?:```|~~~).*$/gm, ""],
  [/^\s*\|?(?:\s*:?-{2,}:?\s*\|)+.*$/gm, ""],
  [/^\s{0,3}(?:#{1,6}|>|[-*+])\s+/gm, ""],
  [/!?\[([^\]]*)\]\([^)]*\)/g, "$1"],
  [/[*_~`|]+/g, " "],
  [/\s+/g, " "],
];

/** Without the marks: nobody wants to hear asterisks. */
export function plainWords(markdown: string): string {
  let words = markdown;
  for (const [pattern, replacement] of MARKS) words = words.replaceAll(pattern, replacement);
  return words.trim();
}
