/**
 * One block of Markdown. An outermost one reads in the direction of its own
 * first letter; what is inside it follows, except cells, and code is never turned.
 */
import type { Token, Tokens } from "marked";
import type { ReactNode } from "react";

import { texts } from "../i18n/texts";
import { CodeBlock } from "./code-block";
import { decodeEntities } from "./entities";
import { InlineTokens } from "./inline-tokens";
import styles from "./markdown.module.css";

interface BlockTokenProps {
  token: Token;
  isOutermost?: boolean;
}

export function BlockToken({ token, isOutermost = false }: BlockTokenProps): ReactNode {
  const dir = isOutermost ? "auto" : undefined;
  switch (token.type) {
    case "space":
      return null;
    case "heading":
      return <Heading heading={token as Tokens.Heading} dir={dir} />;
    case "paragraph":
      return (
        <p dir={dir}>
          <InlineTokens tokens={token.tokens ?? []} />
        </p>
      );
    case "text":
      return token.tokens ? (
        <InlineTokens tokens={token.tokens} />
      ) : (
        decodeEntities((token as Tokens.Text).text)
      );
    case "code":
      return <CodeBlock code={(token as Tokens.Code).text} language={(token as Tokens.Code).lang} />;
    case "blockquote":
      return <blockquote dir={dir}>{blocks(token.tokens ?? [])}</blockquote>;
    case "list":
      return <List list={token as Tokens.List} dir={dir} />;
    case "table":
      return <Table table={token as Tokens.Table} dir={dir} />;
    case "hr":
      return <hr />;
    case "html":
      return <p dir={dir}>{token.raw.trimEnd()}</p>;
    default:
      return <InlineTokens tokens={[token]} />;
  }
}

/** Tokens are positional: they have no identity but their place. */
function blocks(tokens: readonly Token[]): ReactNode[] {
  return tokens.map((token, index) => <BlockToken key={String(index)} token={token} />);
}

type Direction = "auto" | undefined;

function Heading({ heading, dir }: { heading: Tokens.Heading; dir: Direction }): ReactNode {
  // Under the page's title and the speaker's name; no level may be left out.
  const Level = heading.depth <= 2 ? "h3" : "h4";
  return (
    <Level dir={dir} className={heading.depth === 1 ? styles["first"] : undefined}>
      <InlineTokens tokens={heading.tokens} />
    </Level>
  );
}

function List({ list, dir }: { list: Tokens.List; dir: Direction }): ReactNode {
  const items = list.items.map((item, index) => (
    <li key={String(index)} className={item.task ? styles["task"] : undefined}>
      {blocks(item.tokens)}
    </li>
  ));
  const start = typeof list.start === "number" && list.start !== 1 ? list.start : undefined;
  if (!list.ordered) return <ul dir={dir}>{items}</ul>;
  return (
    <ol dir={dir} start={start}>
      {items}
    </ol>
  );
}

function Table({ table, dir }: { table: Tokens.Table; dir: Direction }): ReactNode {
  return (
    // A wide table scrolls by itself, with the keyboard too.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a scrollable region needs focus
    <div className={styles["scroll"]} role="region" aria-label={texts.markdown.table} tabIndex={0}>
      <table dir={dir}>
        <thead>
          <tr>
            {table.header.map((cell, index) => (
              <th key={String(index)} className={alignment(cell)}>
                <InlineTokens tokens={cell.tokens} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.rows.map((row, rowIndex) => (
            <tr key={String(rowIndex)}>
              {row.map((cell, index) => (
                <td key={String(index)} dir="auto" className={alignment(cell)}>
                  <InlineTokens tokens={cell.tokens} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function alignment(cell: Tokens.TableCell): string | undefined {
  return cell.align ? styles[cell.align] : undefined;
}
