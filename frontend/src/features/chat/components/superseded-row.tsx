/** Attempts a retry has replaced: kept, out of the way. */
import { memo } from "react";

import { texts } from "@/shared/i18n/texts";

import { CoachRow } from "./coach-row";
import styles from "./superseded-row.module.css";

export const SupersededRow = memo(function SupersededRow({
  messageIds,
}: {
  messageIds: readonly string[];
}) {
  return (
    <details className={styles["row"]}>
      <summary>{texts.chat.earlierAttempts(messageIds.length)}</summary>
      {messageIds.map((messageId) => (
        <CoachRow key={messageId} messageId={messageId} />
      ))}
    </details>
  );
});
