/** The whole talk as a plain document, there for as long as it is printed. */
import "./print.css";

import { type ReactNode, useEffect, useState } from "react";
import { createPortal } from "react-dom";

import type { MessageView } from "@/shared/api/wire";
import { useClient } from "@/shared/client";
import { texts } from "@/shared/i18n/texts";
import { Markdown } from "@/shared/markdown/markdown";
import { clockTime, dateAndTime, dayText } from "@/shared/time";
import { showToast } from "@/shared/ui/toasts";

import { useChat } from "../model/chat";
import { wholeTalk } from "../model/whole-talk";

export function PrintView({ onDone }: { onDone: () => void }): ReactNode {
  const chat = useChat();
  const { rest } = useClient();
  const [printedOn] = useState(() => dateAndTime(new Date()));
  const [messages, setMessages] = useState<readonly MessageView[] | null>(null);
  useEffect(() => {
    let isWanted = true;
    showToast(texts.chat.printing);
    wholeTalk(rest, chat.sessionId, chat.store.get()).then(
      (all) => isWanted && setMessages(all),
      () => {
        showToast(texts.chat.printFailed);
        onDone();
      },
    );
    return () => {
      isWanted = false;
    };
  }, [chat, rest, onDone]);
  useEffect(() => {
    if (messages === null) return;
    addEventListener("afterprint", onDone);
    print();
    return () => removeEventListener("afterprint", onDone);
  }, [messages, onDone]);
  if (messages === null) return null;
  const title = chat.store.get().session?.title || texts.sessions.untitled;
  return createPortal(
    <PrintedTalk title={title} printedOn={printedOn} messages={messages} />,
    document.body,
  );
}

interface PrintedTalkProps {
  title: string;
  printedOn: string;
  messages: readonly MessageView[];
}

/** What is on the paper. */
export function PrintedTalk({ title, printedOn, messages }: PrintedTalkProps): ReactNode {
  return (
    <main className="print-view" data-testid="print-view">
      <header>
        <h1 dir="auto">{title}</h1>
        <p>
          {texts.product} · {texts.chat.printedOn(printedOn)}
        </p>
      </header>
      {messages.map((message) => (
        <PrintedMessage key={message.message_id} message={message} />
      ))}
    </main>
  );
}

function PrintedMessage({ message }: { message: MessageView }): ReactNode {
  const { role, status, text } = message;
  if (status === "superseded") return null;
  const isCoach = role === "coach";
  return (
    <section className={role}>
      <h2>
        {isCoach ? texts.product : texts.chat.you}
        <time dateTime={message.created_at}>
          {dayText(message.created_at)}, {clockTime(message.created_at)}
        </time>
      </h2>
      {isCoach ? <Markdown text={text} isOpen={status !== "complete"} /> : <p dir="auto">{text}</p>}
      {isCoach && status !== "complete" && status !== "streaming" && (
        <p className="ending">{texts.message.status[status]}</p>
      )}
    </section>
  );
}
