/** Something the founder said, from the moment it was written. */
import { memo, type ReactNode, useRef, useState } from "react";
import { flushSync } from "react-dom";

import { adviceFor } from "@/shared/advice";
import { texts } from "@/shared/i18n/texts";
import { useClient } from "@/shared/client";
import { useStore } from "@/shared/store";
import { lastRunOf, queuePositionOf, type SessionState } from "@/shared/streams/session-state";
import { clockTime } from "@/shared/time";
import { Button } from "@/shared/ui/button";
import { Icon } from "@/shared/ui/icon";

import { useChat, useMessage, useRun, useSession } from "../model/chat";
import type { OutgoingMessage } from "../model/outbox";
import { EditButton, MessageEditor } from "./edit-message";
import styles from "./founder-row.module.css";

interface FounderRowProps {
  messageId: string | null;
  requestId: string;
}

export const FounderRow = memo(function FounderRow({
  messageId,
  requestId,
}: FounderRowProps) {
  const chat = useChat();
  const [isEditing, setIsEditing] = useState(false);
  const row = useRef<HTMLElement>(null);
  const stored = useMessage(messageId);
  const outgoing = useStore(chat.outbox, (state) =>
    stored ? undefined : state.messages.find((one) => one.requestId === requestId),
  );
  const shown = stored ?? outgoing;
  if (shown === undefined) return null;
  const time = clockTime(stored?.created_at ?? outgoing?.createdAt ?? "");
  const status = stored ? "sent" : (outgoing?.state ?? "sent");
  return (
    <article
      ref={row}
      className={styles["row"]}
      aria-label={texts.chat.youSaid(time)}
      data-message-id={messageId ?? undefined}
      data-request-id={requestId}
      data-status={stored ? stored.status : status}
    >
      {messageId !== null && isEditing ? (
        <MessageEditor
          messageId={messageId}
          text={shown.text}
          onClose={() => {
            flushSync(() => setIsEditing(false));
            row.current?.querySelector("button")?.focus();
          }}
        />
      ) : (
        <div className={styles["line"]}>
          {messageId && <EditButton onEdit={() => setIsEditing(true)} />}
          <div className={styles["bubble"]} dir="auto" data-testid="message-text">
            {shown.text}
          </div>
        </div>
      )}
      {outgoing && <Delivery outgoing={outgoing} />}
      {messageId && <QueuePlace messageId={messageId} />}
      {stored?.run_id && <NoReply runId={stored.run_id} />}
    </article>
  );
});

function Delivery({ outgoing }: { outgoing: OutgoingMessage }): ReactNode {
  const chat = useChat();
  const isConnected = useStore(
    useClient().connection.status,
    (status) => status.state === "live",
  );
  if (outgoing.state === "failed" && outgoing.error) {
    const advice = adviceFor({
      code: outgoing.error.code,
      detail: outgoing.error.message,
      isRetryable: outgoing.error.isRetryable,
    });
    return (
      <div className={styles["failed"]} role="alert">
        <p>
          <Icon name="warning" size={15} />
          <span>
            <strong>{texts.message.notSent}.</strong> {advice.text}
          </span>
        </p>
        <div>
          <Button onClick={() => chat.outbox.takeBack(outgoing.requestId)}>
            {texts.message.discard}
          </Button>
          <Button icon="retry" onClick={() => chat.outbox.retry(outgoing.requestId)}>
            {texts.message.retry}
          </Button>
        </div>
      </div>
    );
  }
  if (outgoing.state === "sent") return null;
  return (
    <p className={styles["note"]}>
      {isConnected ? texts.message.sending : texts.message.waitingForConnection}
    </p>
  );
}

/** Why an earlier message has no reply; the last one has a card of its own. */
function NoReply({ runId }: { runId: string }): ReactNode {
  const run = useRun(runId);
  const isLast = useSession((state: SessionState) => lastRunOf(state)?.run_id === runId);
  const hasReply = useSession((state: SessionState) => hasReplyOf(state, runId));
  if (!run?.error || isLast || hasReply) return null;
  const { code, detail, retryable: isRetryable } = run.error;
  return (
    <p className={styles["note"]}>
      {texts.message.noReply(adviceFor({ code, detail, isRetryable }).title)}
    </p>
  );
}

function hasReplyOf(state: SessionState, runId: string): boolean {
  for (const message of state.messages.values()) {
    if (message.run_id === runId && message.role === "coach") return true;
  }
  return false;
}

function QueuePlace({ messageId }: { messageId: string }): ReactNode {
  const position = useSession((state: SessionState) => queuePositionOf(state, messageId));
  if (position === null) return null;
  return (
    <p className={styles["note"]} data-testid="queue-position">
      <Icon name="clock" size={14} /> {texts.message.queued(position)}
    </p>
  );
}
