/** Stops the run at work; what was written stays. */
import type { ReactNode } from "react";

import { en } from "@/shared/i18n/en";
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
      aria-label={en.run.stop}
      disabled={isStopping}
      onClick={() => chat.stop(runId)}
    >
      <span className={styles["square"]} aria-hidden="true" />
      <span className={styles["word"]}>{isStopping ? en.run.stopping : en.run.stop}</span>
    </button>
  );
}

function activeRunId(state: SessionState): string | null {
  return activeRunOf(state)?.run_id ?? null;
}
