/** One session: its head, the talk and the place to write. */
import { type ReactNode, useEffect, useMemo } from "react";

import { useClient } from "@/shared/client";
import { texts } from "@/shared/i18n/texts";
import { useStore } from "@/shared/store";
import type { SessionState } from "@/shared/streams/session-state";

import { Chat, ChatContext, useChat, useSession } from "../model/chat";
import type { OutboxState } from "../model/outbox";
import { BranchLine } from "./branch-line";
import styles from "./chat-page.module.css";
import { Composer } from "./composer";
import { ConnectionLine } from "./connection-line";
import { ExportMenu } from "./export-menu";
import { Gone } from "./gone";
import { ReplyAnnouncer } from "./reply-announcer";
import { StorageLine } from "./storage-line";
import { StopButton } from "./stop-button";
import { Timeline } from "./timeline";

interface ChatPageProps {
  sessionId: string;
  /** Stands before the title: the way to the sessions on a small screen. */
  leading?: ReactNode;
  /** Stands at the end of the head. */
  trailing?: ReactNode;
}

export function ChatPage({ sessionId, leading, trailing }: ChatPageProps): ReactNode {
  const client = useClient();
  const chat = useMemo(() => new Chat(sessionId, client), [sessionId, client]);
  return (
    <ChatContext value={chat}>
      <div className={styles["page"]}>
        <header className={styles["head"]}>
          {leading}
          <Title />
          <Export sessionId={sessionId} />
          {trailing}
        </header>
        <Body />
      </div>
    </ChatContext>
  );
}

function Title(): ReactNode {
  const title = useSession(titleOf);
  useEffect(() => {
    document.title = title === texts.product ? title : `${title} · ${texts.product}`;
    return () => {
      document.title = texts.product;
    };
  }, [title]);
  return <h1 className={styles["title"]} dir="auto">{title}</h1>;
}

/** What is gone can neither be downloaded nor printed. */
function Export({ sessionId }: { sessionId: string }): ReactNode {
  return useSession(isGoneIn) ? null : <ExportMenu sessionId={sessionId} />;
}

function Body(): ReactNode {
  if (useSession(isGoneIn)) return <Gone />;
  return (
    <>
      <SettledOutbox />
      <BranchLine />
      <Timeline />
      <ReplyAnnouncer />
      <div className={styles["foot"]}>
        <ConnectionLine />
        <StorageLine />
        <SessionComposer />
      </div>
    </>
  );
}

function SessionComposer(): ReactNode {
  const chat = useChat();
  const { outbox } = chat;
  const draft = useStore(outbox, draftOf);
  return (
    <Composer
      text={draft}
      placeholder={texts.composer.placeholder}
      onChange={(text) => outbox.setDraft(text)}
      onSend={(text) => {
        // Who writes wants to see it, and the answer.
        chat.backToLatest();
        outbox.send(text);
      }}
      beside={<StopButton />}
    />
  );
}

/** Lets go of what was sent once the stream has it. */
function SettledOutbox(): null {
  const { outbox, store } = useChat();
  const messages = useSession(messagesIn);
  const isWaiting = useStore(outbox, hasMessages);
  useEffect(() => {
    if (!isWaiting) return;
    const accepted = new Set<string>();
    for (const { request_id: requestId } of messages.values()) {
      if (requestId) accepted.add(requestId);
    }
    outbox.settle(accepted);
  }, [outbox, store, messages, isWaiting]);
  return null;
}

function titleOf(state: SessionState): string {
  const untitled = state.phase === "gone" ? texts.product : texts.sessions.untitled;
  return state.session?.title || untitled;
}

function isGoneIn(state: SessionState): boolean {
  return state.phase === "gone";
}

function messagesIn(state: SessionState): SessionState["messages"] {
  return state.messages;
}

function draftOf(state: OutboxState): string {
  return state.draft;
}

function hasMessages(state: OutboxState): boolean {
  return state.messages.length > 0;
}
