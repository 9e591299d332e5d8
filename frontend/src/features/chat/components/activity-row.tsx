/** What the coach is doing right now, and for how long. */
import { memo, type ReactNode } from "react";

import { texts } from "@/shared/i18n/texts";
import type { Run, SessionState } from "@/shared/streams/session-state";
import { durationText } from "@/shared/time";
import { Icon, Mark } from "@/shared/ui/icon";

import { useRun, useSession } from "../model/chat";
import { useElapsed } from "../model/use-elapsed";
import styles from "./activity-row.module.css";

export const ActivityRow = memo(function ActivityRow({ runId }: { runId: string }) {
  const run = useRun(runId);
  const isWriting = useSession((state: SessionState) => isReplyOf(state, runId));
  if (run === undefined) return null;
  return (
    <div className={isWriting ? styles["writing"] : styles["row"]} data-testid="activity">
      {!isWriting && (
        <span className={styles["mark"]}>
          <Mark size={30} />
        </span>
      )}
      <div className={styles["body"]}>
        <Headline run={run} isWriting={isWriting} />
        {(!isWriting || isManifold(run)) && <Steps run={run} />}
      </div>
    </div>
  );
});

/** One step that writes says no more than the text itself. */
function isManifold(run: Run): boolean {
  return run.steps.length > 1 || run.tools.length > 0;
}

function isReplyOf(state: SessionState, runId: string): boolean {
  for (const message of state.messages.values()) {
    if (message.run_id === runId && message.status === "streaming") return true;
  }
  return false;
}

function Headline({ run, isWriting }: { run: Run; isWriting: boolean }): ReactNode {
  const elapsed = useElapsed(run.started_at ?? run.created_at, true);
  if (run.state === "dispatched" && run.position !== null) {
    return <p className={styles["headline"]}>{texts.run.queued(run.position)}</p>;
  }
  return (
    <p className={styles["headline"]}>
      <span className={styles["dots"]} aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      {isWriting ? texts.run.writing : texts.run.thinking}
      {elapsed >= 2_000 && <span className={styles["time"]}>{durationText(elapsed)}</span>}
    </p>
  );
}

function Steps({ run }: { run: Run }): ReactNode {
  if (run.steps.length === 0) return null;
  return (
    <ol className={styles["steps"]}>
      {run.steps.map((step) => (
        <li key={step.step_id} data-step-status={step.status}>
          <Work work={step} by={step.agent} />
          {run.tools
            .filter((call) => call.step_id === step.step_id)
            .map((call) => (
              <Work key={call.tool_call_id} work={call} isTool />
            ))}
        </li>
      ))}
    </ol>
  );
}

interface WorkProps {
  work: { title: string; status: string; started_at: string; duration_ms: number | null };
  by?: string;
  isTool?: boolean;
}

function Work({ work, by, isTool = false }: WorkProps): ReactNode {
  const isRunning = work.status === "running";
  const elapsed = useElapsed(work.started_at, isRunning);
  return (
    <span className={isTool ? styles["tool"] : styles["step"]} data-status={work.status}>
      <StatusIcon status={work.status} isTool={isTool} />
      <span>{work.title}</span>
      {by && <span className={styles["by"]}>{by}</span>}
      <span className={styles["time"]}>
        {durationText(isRunning ? elapsed : (work.duration_ms ?? 0))}
      </span>
    </span>
  );
}

function StatusIcon({ status, isTool }: { status: string; isTool: boolean }): ReactNode {
  if (status === "running" && !isTool) return <span className={styles["spinner"]} />;
  if (status === "complete") return <Icon name="check" size={14} />;
  return <Icon name={isTool ? "tool" : "close"} size={14} />;
}
