/** Whole pages, on a screen and on paper. */
import type { ReactNode } from "react";

import { ErrorBoundary } from "@/app/error-boundary";
import { ChatPage } from "@/features/chat/components/chat-page";
import { Gone } from "@/features/chat/components/gone";
import { HomePage } from "@/features/chat/components/home-page";
import { PrintedTalk } from "@/features/chat/components/print-view";
import { Timeline } from "@/features/chat/components/timeline";
import type { Client } from "@/shared/client";
import { tell } from "@/test/chat-harness";
import { SESSION } from "@/test/events";

import { Case, OnClient, Screen, Stage } from "./case";
import styles from "./gallery.module.css";
import { messages, plainTalk } from "./talk";

const TALKS: Record<string, (client: Client) => void> = {
  loading: ({ streams }) => void streams.session(SESSION),
  empty: ({ streams }) => tell(streams.session(SESSION), { messages: [] }),
  "loading what was before": ({ streams }) =>
    tell(streams.session(SESSION), { messages: plainTalk, hasMore: true }),
  "a talk": ({ streams }) => tell(streams.session(SESSION), { messages: plainTalk }),
};

export function ScreenCases(): ReactNode {
  return (
    <>
      <Case name="home">
        <OnClient>
          <Screen>
            <HomePage />
          </Screen>
        </OnClient>
      </Case>
      <Case name="home: a session is being begun">
        <OnClient prepare={({ starts }) => starts.set(beginning)}>
          <Screen>
            <HomePage />
          </Screen>
        </OnClient>
      </Case>
      <Case name="chat">
        <OnClient prepare={TALKS["a talk"]}>
          <Screen>
            <ChatPage sessionId={SESSION} />
          </Screen>
        </OnClient>
      </Case>
      {Object.entries(TALKS).map(([name, prepare]) => (
        <Case key={name} name={`timeline: ${name}`}>
          <OnClient prepare={prepare}>
            <Screen>
              <Timeline />
            </Screen>
          </OnClient>
        </Case>
      ))}
      <Case name="timeline: what was before could not be loaded">
        <OnClient prepare={TALKS["loading what was before"]} answer={isAway}>
          <Screen>
            <Timeline />
          </Screen>
        </OnClient>
      </Case>
      <Case name="a session that is not here">
        <Gone />
      </Case>
      <Case name="the page itself fails">
        <Stage>
          <ErrorBoundary>
            <Failing />
          </ErrorBoundary>
        </Stage>
      </Case>
      <Case name="paper">
        <div className={styles["paper"]}>
          <PrintedTalk title="Lunch queues" printedOn="1 January 2026" messages={messages} />
        </div>
      </Case>
    </>
  );
}

const beginning = { requestId: "q", messageRequestId: "m", text: "Nobody repairs the lift." };

function isAway(): Response {
  return Response.json({ code: "store_unavailable" }, { status: 503 });
}

function Failing(): ReactNode {
  throw new Error("shown on purpose");
}
