/** One block of Markdown. */
import type { Token, Tokens } from "marked";
import type { ReactNode } from "react";

import { en } from "../i18n/en";
import { CodeBlock } from "./code-block";
import { decodeEntities } from "./entities";
import { InlineTokens } from "./inline-tokens";
import styles from "./markdown.module.css";

export function BlockToken({ token }: { token: Token }): ReactNode {
  switch (token.type) {
    case "space":
      return null;
    case "heading":
      return <Heading heading={token as Tokens.Heading} />;
    case "paragraph":
      return (
        <p>
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
      return <blockquote>{blocks(token.tokens ?? [])}</blockquote>;
    case "list":
      return <List list={token as Tokens.List} />;
    case "table":
      return <Table table={token as Tokens.Table} />;
    case "hr":
      return <hr />;
    case "html":
      return <p>{token.raw.trimEnd()}</p>;
    default:
      return <InlineTokens tokens={[token]} />;
  }
}

/** Tokens are positional: they have no identity but their place. */
function blocks(tokens: readonly Token[]): ReactNode[] {
  return tokens.map((token, index) => <BlockToken key={String(index)} token={token} />);
}

function Heading({ heading }: { heading: Tokens.Heading }): ReactNode {
  // Under the page's title and the speaker's name; no level may be left out.
  const Level = heading.depth <= 2 ? "h3" : "h4";
  return (
    <Level className={heading.depth === 1 ? styles["first"] : undefined}>
      <InlineTokens tokens={heading.tokens} />
    </Level>
  );
}

function List({ list }: { list: Tokens.List }): ReactNode {
  const items = list.items.map((item, index) => (
    <li key={String(index)} className={item.task ? styles["task"] : undefined}>
      {blocks(item.tokens)}
    </li>
  ));
  const start = typeof list.start === "number" && list.start !== 1 ? list.start : undefined;
  return list.ordered ? <ol start={start}>{items}</ol> : <ul>{items}</ul>;
}

function Table({ table }: { table: Tokens.Table }): ReactNode {
  return (
    // A wide table scrolls by itself, with the keyboard too.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a scrollable region needs focus
    <div className={styles["scroll"]} role="region" aria-label={en.markdown.table} tabIndex={0}>
      <table>
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
                <td key={String(index)} className={alignment(cell)}>
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
