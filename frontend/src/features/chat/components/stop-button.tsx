/** Stops the run at work; what was written stays. */
import type { ReactNode } from "react";

import { texts } from "@/shared/i18n/texts";
import { useStore } from "@/shared/store";
import { activeRunOf, type SessionState } from "@/shared/streams/session-state";

import { useChat, useSession } from "../model/chat";
import styles from "./stop-button.module.css";

export function StopButton(): ReactNode {
  const chat = useChat();
  const runId = useSession(activeRunId);
  const isStopping = useStore(chat.stopping, (ids) => runId !== null && ids.has(runId));
  if (runId === null) return null;
  return (
    <button
      type="button"
      className={styles["stop"]}
      aria-label={texts.run.stop}
      // Not `disabled`: the focus stays until the button goes.
      aria-disabled={isStopping || undefined}
      onClick={() => isStopping || chat.stop(runId)}
    >
      <span className={styles["square"]} aria-hidden="true" />
      <span className={styles["word"]}>{isStopping ? texts.run.stopping : texts.run.stop}</span>
    </button>
  );
}

function activeRunId(state: SessionState): string | null {
  return activeRunOf(state)?.run_id ?? null;
}
