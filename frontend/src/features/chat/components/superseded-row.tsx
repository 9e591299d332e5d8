/** Attempts a retry has replaced: kept, out of the way. */
import { memo } from "react";

import { en } from "@/shared/i18n/en";

import { CoachRow } from "./coach-row";
import styles from "./superseded-row.module.css";

export const SupersededRow = memo(function SupersededRow({
  messageIds,
}: {
  messageIds: readonly string[];
}) {
  return (
    <details className={styles["row"]}>
      <summary>{en.chat.earlierAttempts(messageIds.length)}</summary>
      {messageIds.map((messageId) => (
        <CoachRow key={messageId} messageId={messageId} />
      ))}
    </details>
  );
});
