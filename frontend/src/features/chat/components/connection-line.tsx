/** One calm line about the connection; silent while all is well. */
import type { ReactNode } from "react";

import { useClient } from "@/shared/client";
import { en } from "@/shared/i18n/en";
import type { ConnectionStatus } from "@/shared/socket/connection";
import { useValue } from "@/shared/store";

import styles from "./connection-line.module.css";

export function ConnectionLine(): ReactNode {
  const { connection } = useClient();
  const status = useValue(connection.status);
  return (
    <div className={styles["line"]} data-testid="connection" data-state={status.state}>
      {status.state !== "live" && (
        <p role="status">
          <span className={styles["dot"]} aria-hidden="true" />
          {wordsFor(status)}
          {status.state === "offline" && (
            <button type="button" onClick={() => connection.reconnect()}>
              {en.connection.retryNow}
            </button>
          )}
        </p>
      )}
    </div>
  );
}

function wordsFor({ state, reason }: ConnectionStatus): string {
  if (reason !== "none" && state !== "live") return en.connection[reason];
  return en.connection[state];
}
