/** The last resort: what the founder sees when the page itself fails. */
import { Component, type ReactNode } from "react";

import { texts } from "@/shared/i18n/texts";
import { Button } from "@/shared/ui/button";

import styles from "./app.module.css";

interface ErrorBoundaryState {
  hasFailed: boolean;
}

export class ErrorBoundary extends Component<{ children: ReactNode }, ErrorBoundaryState> {
  override state: ErrorBoundaryState = { hasFailed: false };

  static getDerivedStateFromError(): ErrorBoundaryState {
    return { hasFailed: true };
  }

  override render(): ReactNode {
    if (!this.state.hasFailed) return this.props.children;
    return (
      <main className={styles["crash"]} role="alert">
        <h1>{texts.errors.crashTitle}</h1>
        <p>{texts.errors.crashText}</p>
        <Button look="primary" onClick={() => location.reload()}>
          {texts.errors.reload}
        </Button>
      </main>
    );
  }
}
