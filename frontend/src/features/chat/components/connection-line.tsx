/** One calm line about the connection; silent while all is well. */
import { type ReactNode, useEffect, useRef } from "react";

import { useClient } from "@/shared/client";
import { texts } from "@/shared/i18n/texts";
import type { ConnectionStatus } from "@/shared/socket/connection";
import { useValue } from "@/shared/store";
import { announce } from "@/shared/ui/announcer";

import styles from "./connection-line.module.css";

export function ConnectionLine(): ReactNode {
  const { connection } = useClient();
  const status = useValue(connection.status);
  useSpokenOutage(status);
  return (
    <div className={styles["line"]} data-testid="connection" data-state={status.state}>
      {status.state !== "live" && (
        <p>
          <span className={styles["dot"]} aria-hidden="true" />
          {wordsFor(status)}
          {status.state === "offline" && (
            <button type="button" onClick={() => connection.reconnect()}>
              {texts.connection.retryNow}
            </button>
          )}
        </p>
      )}
    </div>
  );
}

/** A short interruption is nobody's business; a longer one is said, and its end. */
const CALM_MS = 700;

function useSpokenOutage(status: ConnectionStatus): void {
  const isSpoken = useRef(false);
  const isLive = status.state === "live";
  const words = wordsFor(status);
  useEffect(() => {
    if (isLive) {
      if (isSpoken.current) announce(words);
      isSpoken.current = false;
      return;
    }
    const timer = setTimeout(() => {
      isSpoken.current = true;
      announce(words);
    }, CALM_MS);
    return () => clearTimeout(timer);
  }, [isLive, words]);
}

function wordsFor({ state, reason }: ConnectionStatus): string {
  if (reason !== "none" && state !== "live") return texts.connection[reason];
  return texts.connection[state];
}
