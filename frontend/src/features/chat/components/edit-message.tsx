/** Says something else at an earlier place: the talk goes on in a new session. */
import { type ReactNode, type RefObject, useEffect, useId, useRef, useState } from "react";

import { refusalText } from "@/shared/advice";
import { CommandError } from "@/shared/api/command-error";
import { texts } from "@/shared/i18n/texts";
import { newRequestId } from "@/shared/request-id";
import { Button } from "@/shared/ui/button";
import { IconButton } from "@/shared/ui/icon-button";
import { showToast } from "@/shared/ui/toasts";

import { useChat } from "../model/chat";
import { Draft } from "../model/draft";
import { charactersLeft, sendableText } from "../model/message-text";
import styles from "./edit-message.module.css";

interface EditButtonProps {
  onEdit: () => void;
}

export function EditButton({ onEdit }: EditButtonProps): ReactNode {
  return (
    <IconButton
      className={styles["button"]}
      icon="edit"
      size={16}
      label={texts.message.edit}
      onClick={onEdit}
    />
  );
}

interface MessageEditorProps {
  messageId: string;
  /** What was said. */
  text: string;
  onClose: () => void;
}

export function MessageEditor({ messageId, text, onClose }: MessageEditorProps): ReactNode {
  const chat = useChat();
  const form = useRef<HTMLFormElement>(null);
  const area = useRef<HTMLTextAreaElement>(null);
  const hintId = useId();
  const [kept] = useState(() => new Draft(`edit.${messageId}`));
  const [changed, setChanged] = useState(() => kept.takeOver() || text);
  const [isSending, setIsSending] = useState(false);
  /** The same while the words are the same: sent twice, it is one branch. */
  const [requestId, setRequestId] = useState(newRequestId);
  const sendable = sendableText(changed);
  const isSendable = !isSending && sendable !== "" && charactersLeft(sendable) >= 0;
  useEffect(() => {
    const element = area.current;
    element?.focus();
    element?.setSelectionRange(element.value.length, element.value.length);
  }, []);
  useShownWhole(form);

  const change = (value: string) => {
    setChanged(value);
    setRequestId(newRequestId());
    kept.keep(value === text ? "" : value);
  };
  const close = () => {
    kept.keep("");
    onClose();
  };
  const send = async () => {
    if (!isSendable) return;
    setIsSending(true);
    try {
      await chat.branch(messageId, sendable, requestId);
      kept.keep("");
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      showToast(refusalText(error));
    }
    setIsSending(false);
  };
  return (
    <form
      ref={form}
      className={styles["editor"]}
      aria-label={texts.message.edit}
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <textarea
        ref={area}
        dir="auto"
        rows={Math.min(10, Math.max(2, changed.split("\n").length))}
        value={changed}
        aria-label={texts.message.editLabel}
        aria-describedby={hintId}
        onChange={(event) => change(event.target.value)}
        onKeyDown={(event) => {
          if (event.nativeEvent.isComposing || event.keyCode === 229) return;
          if (event.key === "Escape") close();
          if (event.key !== "Enter" || event.shiftKey) return;
          event.preventDefault();
          void send();
        }}
      />
      <p id={hintId}>{texts.message.editHint}</p>
      <div>
        <Button onClick={close}>{texts.cancel}</Button>
        <Button type="submit" look="primary" disabled={!isSendable}>
          {isSending ? texts.message.sending : texts.message.editSend}
        </Button>
      </div>
    </form>
  );
}

/** A talk that stays at its end would push up what opens or grows within it. */
function useShownWhole(part: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const element = part.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => element.scrollIntoView({ block: "nearest" }));
    observer.observe(element);
    return () => observer.disconnect();
  }, [part]);
}
