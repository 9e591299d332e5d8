/** Replies the coach offers; a button sends its command. */
import { memo } from "react";

import { texts } from "@/shared/i18n/texts";

import { useChat, useMessage } from "../model/chat";
import styles from "./suggestions-row.module.css";

export const SuggestionsRow = memo(function SuggestionsRow({
  messageId,
}: {
  messageId: string;
}) {
  const chat = useChat();
  const message = useMessage(messageId);
  return (
    <ul className={styles["row"]} aria-label={texts.chat.suggestions} data-testid="suggestions">
      {message?.suggestions.map(({ label, command }) => (
        <li key={label}>
          <button type="button" onClick={() => chat.outbox.sendBeside(command.text)}>
            {label}
          </button>
        </li>
      ))}
    </ul>
  );
});
