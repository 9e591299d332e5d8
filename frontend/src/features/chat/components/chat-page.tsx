/** One session: its head, the talk and the place to write. */
import { type ReactNode, useEffect, useMemo } from "react";

import { useClient } from "@/shared/client";
import { en } from "@/shared/i18n/en";
import { navigate } from "@/shared/navigation";
import { useStore } from "@/shared/store";
import type { SessionState } from "@/shared/streams/session-state";
import { Button } from "@/shared/ui/button";
import { Menu } from "@/shared/ui/menu";

import { announcementOf } from "../model/announcement";
import { Chat, ChatContext, useChat, useSession } from "../model/chat";
import type { OutboxState } from "../model/outbox";
import styles from "./chat-page.module.css";
import { Composer } from "./composer";
import { ConnectionLine } from "./connection-line";
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
          <ExportMenu sessionId={sessionId} />
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
    document.title = `${title} · ${en.product}`;
    return () => {
      document.title = en.product;
    };
  }, [title]);
  return <h1 className={styles["title"]}>{title}</h1>;
}

function ExportMenu({ sessionId }: { sessionId: string }): ReactNode {
  const address = `/v1/sessions/${sessionId}/export?format=`;
  return (
    <Menu
      label={en.chat.export}
      icon="download"
      items={[
        { label: en.chat.exportMarkdown, icon: "download", download: `${address}md` },
        { label: en.chat.exportJson, icon: "download", download: `${address}json` },
      ]}
    />
  );
}

function Body(): ReactNode {
  const isGone = useSession(isGoneIn);
  if (isGone) {
    return (
      <div className={styles["gone"]}>
        <h2>{en.chat.gone}</h2>
        <p>{en.chat.goneText}</p>
        <Button look="primary" onClick={() => navigate("/")}>
          {en.chat.backHome}
        </Button>
      </div>
    );
  }
  return (
    <>
      <SettledOutbox />
      <Timeline />
      <Announcer />
      <div className={styles["foot"]}>
        <ConnectionLine />
        <SessionComposer />
      </div>
    </>
  );
}

function SessionComposer(): ReactNode {
  const { outbox } = useChat();
  const draft = useStore(outbox, draftOf);
  return (
    <Composer
      text={draft}
      placeholder={en.composer.placeholder}
      onChange={(text) => outbox.setDraft(text)}
      onSend={(text) => outbox.send(text)}
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

function Announcer(): ReactNode {
  const words = useSession(announcementOf);
  return (
    <p className="visually-hidden" role="status" aria-live="polite" data-testid="announcer">
      {words}
    </p>
  );
}

function titleOf(state: SessionState): string {
  return state.session?.title || en.sessions.untitled;
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
