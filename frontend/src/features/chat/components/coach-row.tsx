/** Something the coach said, or is saying. */
import { memo, type ReactNode } from "react";

import type { MessageView } from "@/shared/api/wire";
import { texts } from "@/shared/i18n/texts";
import { Markdown } from "@/shared/markdown/markdown";
import { clockTime, durationText } from "@/shared/time";
import { CopyButton } from "@/shared/ui/copy-button";
import { Mark } from "@/shared/ui/icon";
import { IconButton } from "@/shared/ui/icon-button";

import { useChat, useMessage, useRun } from "../model/chat";
import styles from "./coach-row.module.css";

export const CoachRow = memo(function CoachRow({ messageId }: { messageId: string }) {
  const message = useMessage(messageId);
  if (message === undefined) return null;
  const isStreaming = message.status === "streaming";
  return (
    <article
      className={styles["row"]}
      aria-label={texts.chat.coachSays(clockTime(message.created_at))}
      aria-busy={isStreaming}
      data-message-id={messageId}
      data-status={message.status}
    >
      <span className={styles["mark"]}>
        <Mark size={30} />
      </span>
      <div className={styles["body"]}>
        <h2 className="visually-hidden">{texts.product}</h2>
        <div data-testid="message-text" className={styles["text"]}>
          <Markdown text={message.text} isOpen={message.status !== "complete"} />
        </div>
        <Ending message={message} />
        {!isStreaming && message.text !== "" && <Actions message={message} />}
      </div>
    </article>
  );
});

/** How a reply that is not whole ended. */
function Ending({ message }: { message: MessageView }): ReactNode {
  const { status } = message;
  if (status === "streaming" || status === "complete") return null;
  return <p className={styles["ending"]}>{texts.message.status[status]}</p>;
}

function Actions({ message }: { message: MessageView }): ReactNode {
  const chat = useChat();
  const { message_id: messageId, feedback } = message;
  const rate = (value: "up" | "down") =>
    chat.rate(messageId, feedback === value ? "none" : value);
  return (
    <div className={styles["actions"]}>
      <CopyButton text={message.text} label={texts.message.copy} />
      <IconButton
        icon="thumbUp"
        size={16}
        label={texts.message.helpful}
        aria-pressed={feedback === "up"}
        onClick={() => rate("up")}
      />
      <IconButton
        icon="thumbDown"
        size={16}
        label={texts.message.notHelpful}
        aria-pressed={feedback === "down"}
        onClick={() => rate("down")}
      />
      <time dateTime={message.created_at}>{clockTime(message.created_at)}</time>
      {message.run_id && <RunSummary runId={message.run_id} />}
    </div>
  );
}

function RunSummary({ runId }: { runId: string }): ReactNode {
  const run = useRun(runId);
  if (!run?.started_at || !run.ended_at || run.steps.length === 0) return null;
  const duration = Date.parse(run.ended_at) - Date.parse(run.started_at);
  return <span>· {texts.message.steps(run.steps.length, durationText(duration))}</span>;
}
