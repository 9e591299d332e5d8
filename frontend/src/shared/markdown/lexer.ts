/**
 * Markdown to tokens, block by block, so that growing text is cheap.
 *
 * A block depends on its own text alone: link reference definitions, which would
 * change earlier blocks, are not a part of this Markdown and stay visible text.
 */
import { Lexer, Marked, type Token, type Tokens, type TokensList, Tokenizer } from "marked";

export interface Block {
  /** Stable while the block's text is. */
  key: string;
  raw: string;
  token: Token;
}

class BlockTokenizer extends Tokenizer {
  override def(): undefined {
    return undefined;
  }
}

const options = new Marked({ gfm: true, breaks: false }).defaults;

/** What may still change when text is appended: the last blocks. */
const OPEN_BLOCKS = 2;

/** Nobody reads deeper quotes or lists; their words are shown as they came. */
const MAX_DEPTH = 100;

export function lexBlocks(text: string): Block[] {
  return blocksOf(lex(normalised(text)), 0);
}

/** The blocks of `text`; those before its open end are taken from `previous`. */
export function lexAppended(previous: readonly Block[], text: string): Block[] {
  const source = normalised(text);
  const settled = settledBlocks(previous);
  const settledText = settled.map((block) => block.raw).join("");
  if (!source.startsWith(settledText)) return lexBlocks(text);
  const tail = blocksOf(lex(source.slice(settledText.length)), settled.length);
  return [...settled, ...tail.map((block, index) => reused(previous, settled.length + index, block))];
}

/** A lexer that remembers its last text; the same text gives the same blocks. */
export function createIncrementalLexer(): (text: string) => readonly Block[] {
  let last: { text: string; blocks: readonly Block[] } = { text: "", blocks: [] };
  return (text) => {
    if (text !== last.text) last = { text, blocks: lexAppended(last.blocks, text) };
    return last.blocks;
  };
}

function settledBlocks(blocks: readonly Block[]): Block[] {
  let open = 0;
  let end = blocks.length;
  while (end > 0 && open < OPEN_BLOCKS) {
    end -= 1;
    if (blocks[end]?.token.type !== "space") open += 1;
  }
  // A blank line belongs to what follows it: it may yet join a list.
  while (end > 0 && blocks[end - 1]?.token.type === "space") end -= 1;
  // Without one, what follows may turn out to be more of the same paragraph.
  if (blocks[end]?.token.type !== "space" && blocks[end - 1]?.token.type === "paragraph") end -= 1;
  return blocks.slice(0, end);
}

/** What did not change is the same block, so that React need not look at it again. */
function reused(previous: readonly Block[], index: number, block: Block): Block {
  const before = previous[index];
  const isSame = before !== undefined && before.raw === block.raw && areSame(before, block);
  return isSame ? before : block;
}

/** Seldom, what follows gives the same text another meaning. */
function areSame(one: Block, other: Block): boolean {
  return JSON.stringify(one.token) === JSON.stringify(other.token);
}

function blocksOf(tokens: TokensList, firstIndex: number): Block[] {
  return tokens.map((token, index) => ({
    key: String(firstIndex + index),
    raw: token.raw,
    token: isTooDeep(token) ? plainParagraph(token.raw) : token,
  }));
}

/** Whether what looks at every level of it might exhaust the stack. */
function isTooDeep(block: Token): boolean {
  let level: Token[] = [block];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > MAX_DEPTH) return true;
    level = level.flatMap(innerTokens);
  }
  return false;
}

function innerTokens(token: Token): Token[] {
  if (token.type === "list") return (token as Tokens.List).items;
  return "tokens" in token ? (token.tokens ?? []) : [];
}

function lex(source: string): TokensList {
  try {
    return new Lexer({ ...options, tokenizer: new BlockTokenizer() }).lex(source);
  } catch (error) {
    // Quotes or lists nested deeper than the stack: the words are what is left.
    if (!(error instanceof RangeError)) throw error;
    return Object.assign([plainParagraph(source)], { links: {} });
  }
}

function plainParagraph(raw: string): Token {
  const text: Token = { type: "text", raw, text: raw, escaped: false };
  return { type: "paragraph", raw, text: raw, tokens: [text] };
}

function normalised(text: string): string {
  return text.replaceAll(/\r\n?/g, "\n");
}
