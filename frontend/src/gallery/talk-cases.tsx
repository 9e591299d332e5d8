/** The rows of a talk. */
import { type ReactNode, useEffect } from "react";

import { ActivityRow } from "@/features/chat/components/activity-row";
import { CoachRow } from "@/features/chat/components/coach-row";
import { EditButton, MessageEditor } from "@/features/chat/components/edit-message";
import { EndingRow } from "@/features/chat/components/ending-row";
import { FounderRow } from "@/features/chat/components/founder-row";
import { SuggestionsRow } from "@/features/chat/components/suggestions-row";
import { SupersededRow } from "@/features/chat/components/superseded-row";
import { useChat } from "@/features/chat/model/chat";
import type { OutgoingMessage } from "@/features/chat/model/outbox";
import { CommandError } from "@/shared/api/command-error";
import type { Client } from "@/shared/client";
import { tell } from "@/test/chat-harness";
import { SESSION } from "@/test/events";

import { Case, doNothing, OnClient } from "./case";
import { messages, runs, toolEvents } from "./talk";

export function TalkCases(): ReactNode {
  return (
    <OnClient prepare={tellTalk}>
      <Said />
      <Runs />
      <Case name="suggestions">
        <SuggestionsRow messageId="whole" />
      </Case>
      <Case name="edit an earlier message">
        <EditButton onEdit={doNothing} />
        <MessageEditor messageId="asked" text="People wait for lunch. Why?" onClose={doNothing} />
      </Case>
      <Outgoing />
    </OnClient>
  );
}

function tellTalk({ streams }: Client): void {
  const store = streams.session(SESSION);
  tell(store, { messages, runs });
  for (const event of toolEvents) store.receiveEvent(event);
  store.flush();
}

function Said(): ReactNode {
  return messages.map(({ message_id: id, role, request_id: requestId, status }) => (
    <Case key={id} name={`${role}: ${id}`}>
      {role === "founder" && <FounderRow messageId={id} requestId={requestId ?? id} />}
      {status === "superseded" && <SupersededRow messageIds={[id]} />}
      {role === "coach" && status !== "superseded" && <CoachRow messageId={id} />}
    </Case>
  ));
}

function Runs(): ReactNode {
  return runs.map(({ run_id: id, ended_at: endedAt }) => (
    <Case key={id} name={`run: ${id}`}>
      {endedAt === null ? <ActivityRow runId={id} /> : <EndingRow runId={id} />}
    </Case>
  ));
}

const refusal = new CommandError({
  code: "queue_full",
  detail: "",
  retryable: true,
  retryAfterMs: null,
});

const outgoing: OutgoingMessage[] = (["pending", "sent", "failed"] as const).map((state) => ({
  requestId: state,
  text: `A message that is ${state}`,
  state,
  error: state === "failed" ? refusal : null,
  createdAt: "2026-01-01T09:00:00.000Z",
}));

/** Messages the gateway has not confirmed. */
function Outgoing(): ReactNode {
  const { outbox } = useChat();
  useEffect(() => outbox.set({ draft: "", messages: outgoing }), [outbox]);
  return outgoing.map(({ requestId }) => (
    <Case key={requestId} name={`founder: ${requestId}`}>
      <FounderRow messageId={null} requestId={requestId} />
    </Case>
  ));
}
