/** The last run did not end well: why, and what can be done. */
import { memo, type ReactNode, useEffect, useState } from "react";

import { adviceFor } from "@/shared/advice";
import { gatewayNow } from "@/shared/gateway-clock";
import { texts } from "@/shared/i18n/texts";
import type { Run } from "@/shared/streams/session-state";
import { Button } from "@/shared/ui/button";
import { Icon } from "@/shared/ui/icon";

import { useChat, useRun } from "../model/chat";
import styles from "./ending-row.module.css";

export const EndingRow = memo(function EndingRow({ runId }: { runId: string }) {
  const run = useRun(runId);
  if (run === undefined) return null;
  return run.error ? <FailureCard run={run} error={run.error} /> : <StoppedNote run={run} />;
});

function FailureCard({
  run,
  error,
}: {
  run: Run;
  error: NonNullable<Run["error"]>;
}): ReactNode {
  const advice = adviceFor({
    code: error.code,
    detail: error.detail,
    isRetryable: error.retryable,
  });
  return (
    <section className={styles["card"]} aria-label={advice.title} data-testid="error-card" data-code={error.code}>
      <span className={styles["icon"]}>
        <Icon name="warning" />
      </span>
      <div>
        <h2>{advice.title}</h2>
        <p>{advice.text}</p>
        {error.retryable && (
          <RetryButton
            runId={run.run_id}
            notBefore={Date.parse(run.ended_at ?? "") + (error.retry_after_ms ?? 0)}
          />
        )}
      </div>
    </section>
  );
}

function StoppedNote({ run }: { run: Run }): ReactNode {
  return (
    <div className={styles["note"]} data-testid="stopped-note">
      <p>
        <strong>{texts.run.stopped}</strong> {texts.run.stoppedText}
      </p>
      <RetryButton runId={run.run_id} notBefore={0} />
    </div>
  );
}

function RetryButton({ runId, notBefore }: { runId: string; notBefore: number }): ReactNode {
  const chat = useChat();
  const [isAsking, setIsAsking] = useState(false);
  const seconds = useSecondsUntil(notBefore);
  const retry = async () => {
    setIsAsking(true);
    await chat.retry(runId);
    setIsAsking(false);
  };
  return (
    <Button
      icon="retry"
      aria-label={texts.run.retry}
      disabled={isAsking || seconds > 0}
      onClick={() => void retry()}
    >
      {seconds > 0 ? texts.run.retryIn(seconds) : texts.run.retry}
    </Button>
  );
}

function useSecondsUntil(moment: number): number {
  const [now, setNow] = useState(gatewayNow);
  const seconds = Math.max(0, Math.ceil((moment - now) / 1_000));
  const isWaiting = seconds > 0;
  useEffect(() => {
    if (!isWaiting) return;
    const timer = setInterval(() => setNow(gatewayNow()), 500);
    return () => clearInterval(timer);
  }, [isWaiting]);
  return Number.isFinite(seconds) ? seconds : 0;
}
