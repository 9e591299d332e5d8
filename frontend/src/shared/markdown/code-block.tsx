/** A block of code with its language and a way to take it along. */
import type { ReactNode } from "react";

import { texts } from "../i18n/texts";
import { CopyButton } from "../ui/copy-button";
import styles from "./markdown.module.css";

interface CodeBlockProps {
  code: string;
  language?: string | undefined;
}

export function CodeBlock({ code, language }: CodeBlockProps): ReactNode {
  const name = language?.split(/\s/, 1)[0] ?? "";
  return (
    <div className={styles["code"]}>
      <div className={styles["codeBar"]}>
        <span>{name || texts.markdown.code}</span>
        <CopyButton text={code} label={texts.markdown.copyCode} />
      </div>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a scrollable region needs focus */}
      <pre tabIndex={0} dir="ltr" role="region" aria-label={texts.markdown.code}>
        <code>{code}</code>
      </pre>
    </div>
  );
}
