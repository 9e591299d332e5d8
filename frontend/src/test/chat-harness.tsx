/** A page's parts on a session that the test tells, without a gateway. */
import { type ReactNode, useMemo } from "react";

import { Chat, ChatContext } from "@/features/chat/model/chat";
import { Rest } from "@/shared/api/rest";
import type { MessageView, RunView, SessionView } from "@/shared/api/wire";
import { type Client, ClientContext } from "@/shared/client";
import { Commands } from "@/shared/socket/commands";
import { Connection } from "@/shared/socket/connection";
import { SessionStarts } from "@/shared/start-session";
import { type SessionStore, Streams } from "@/shared/streams/streams";

import { SESSION, STREAM } from "./events";

export function createTestClient(fetchFunction?: typeof fetch): Client {
  const rest = new Rest(fetchFunction);
  const streams = new Streams();
  const connection = new Connection({
    prepare: () => Promise.resolve(),
    cursors: () => streams.cursors(),
    onFrame: () => {},
  });
  const commands = new Commands(connection, rest);
  const starts = new SessionStarts({ commands, sendFirst: () => {} });
  return { rest, streams, connection, commands, starts };
}

/** Numbers alternate: odd ones are the founder's, even ones the coach's. */
export function messageView(number: number, change: Partial<MessageView> = {}): MessageView {
  const isCoach = number % 2 === 0;
  return {
    message_id: `m${number}`,
    session_id: SESSION,
    role: isCoach ? "coach" : "founder",
    text: `Message **${number}**\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nThe end.`,
    status: "complete",
    seq: number,
    run_id: `r${number}`,
    request_id: isCoach ? null : `q${number}`,
    agent: isCoach ? "coach" : null,
    suggestions: [],
    feedback: "none",
    created_at: "2026-01-01T00:00:00.000Z",
    finished_at: null,
    ...change,
  };
}

export function sessionView(change: Partial<SessionView> = {}): SessionView {
  return {
    session_id: SESSION,
    title: "Long",
    archived: false,
    pinned: false,
    branched_from: null,
    created_at: "2026-01-01T00:00:00.000Z",
    updated_at: "2026-01-01T00:00:00.000Z",
    stream: STREAM,
    last_seq: 1,
    ...change,
  } as SessionView;
}

interface Told {
  messages: MessageView[];
  session?: Partial<SessionView>;
  runs?: RunView[];
  seq?: number;
  hasMore?: boolean;
}

/** Gives the session a snapshot, as the gateway does when it is opened. */
export function tell(store: SessionStore, told: Told): void {
  const seq = told.seq ?? told.messages.at(-1)?.seq ?? 0;
  store.receiveSnapshot({
    type: "snapshot",
    kind: "session",
    stream: STREAM,
    seq,
    epoch: "e",
    data: {
      session: sessionView({ last_seq: seq, ...told.session }),
      messages: told.messages,
      has_more: told.hasMore ?? false,
      runs: told.runs ?? [],
    },
  });
}

interface ChatFrameProps {
  client: Client;
  children: ReactNode;
}

/** Puts the client and the session's chat around the parts. */
export function ChatFrame({ client, children }: ChatFrameProps): ReactNode {
  const chat = useMemo(() => new Chat(SESSION, client), [client]);
  return (
    <ClientContext value={client}>
      <ChatContext value={chat}>{children}</ChatContext>
    </ClientContext>
  );
}
