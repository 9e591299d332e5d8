/** The inside of a block: emphasis, links, code. */
import type { Token, Tokens } from "marked";
import type { ReactNode } from "react";

import { texts } from "../i18n/texts";
import { decodeEntities } from "./entities";
import { safeUrl } from "./safe-url";

export function InlineTokens({ tokens }: { tokens: readonly Token[] }): ReactNode {
  return tokens.map((token, index) => <InlineToken key={String(index)} token={token} />);
}

function InlineToken({ token }: { token: Token }): ReactNode {
  switch (token.type) {
    case "text":
    case "escape": {
      const text = token as Tokens.Text;
      if (text.tokens) return <InlineTokens tokens={text.tokens} />;
      return token.type === "escape" ? text.text : decodeEntities(text.text);
    }
    case "strong":
      return <strong>{children(token)}</strong>;
    case "em":
      return <em>{children(token)}</em>;
    case "del":
      return <del>{children(token)}</del>;
    case "codespan":
      return <code>{(token as Tokens.Codespan).text}</code>;
    case "br":
      return <br />;
    case "link":
      return <Link href={(token as Tokens.Link).href}>{children(token)}</Link>;
    case "image": {
      // Nothing is fetched from elsewhere because a reply says so.
      const image = token as Tokens.Image;
      return <Link href={image.href}>{decodeEntities(image.text) || image.href}</Link>;
    }
    case "checkbox":
      return (
        <input
          type="checkbox"
          checked={(token as Tokens.Checkbox).checked}
          disabled
          readOnly
          aria-label={texts.markdown.task}
        />
      );
    default:
      return token.raw;
  }
}

function children(token: Token): ReactNode {
  return <InlineTokens tokens={(token as Tokens.Strong).tokens} />;
}

function Link({ href, children: label }: { href: string; children: ReactNode }): ReactNode {
  const url = safeUrl(decodeEntities(href));
  if (url === null) return <span>{label}</span>;
  return (
    <a href={url} target="_blank" rel="noopener noreferrer nofollow">
      {label}
    </a>
  );
}
