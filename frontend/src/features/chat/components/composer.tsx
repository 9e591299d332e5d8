/** Where the founder writes: Enter sends, Shift+Enter breaks the line. */
import {
  type KeyboardEvent,
  type ReactNode,
  useEffect,
  useId,
  useLayoutEffect,
  useRef,
} from "react";

import { texts } from "@/shared/i18n/texts";
import { useMedia } from "@/shared/use-media";
import { Icon } from "@/shared/ui/icon";

import { charactersLeft, sendableText, WARN_BELOW } from "../model/message-text";
import styles from "./composer.module.css";

interface ComposerProps {
  text: string;
  placeholder: string;
  onChange: (text: string) => void;
  onSend: (text: string) => void;
  isBusy?: boolean;
  /** Stands beside Send: Stop, while the coach is at work. */
  beside?: ReactNode;
}

const MAX_HEIGHT_PX = 220;

export function Composer(props: ComposerProps): ReactNode {
  const { text, isBusy = false } = props;
  const area = useRef<HTMLTextAreaElement>(null);
  const hintId = useId();
  const hasMouse = useMedia("(pointer: fine)");
  const left = charactersLeft(text.trim());
  const isSendable = !isBusy && left >= 0 && sendableText(text) !== "";

  useLayoutEffect(() => fitHeight(area.current), [text]);
  useEffect(() => {
    // On a phone the keyboard would cover what there is to read.
    if (hasMouse) area.current?.focus();
  }, [hasMouse]);

  const send = () => {
    if (!isSendable) return;
    props.onSend(sendableText(text));
    area.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const isComposing = event.nativeEvent.isComposing || event.keyCode === 229;
    if (event.key !== "Enter" || event.shiftKey || isComposing) return;
    event.preventDefault();
    send();
  };
  return (
    <form
      className={styles["composer"]}
      aria-label={texts.composer.form}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <div className={styles["box"]} data-too-long={left < 0}>
        <textarea
          ref={area}
          id="composer"
          rows={1}
          dir="auto"
          value={text}
          aria-label={texts.composer.label}
          aria-describedby={hintId}
          aria-invalid={left < 0}
          placeholder={props.placeholder}
          enterKeyHint="send"
          autoComplete="off"
          onChange={(event) => props.onChange(event.target.value)}
          onKeyDown={onKeyDown}
        />
        {props.beside}
        <button
          type="submit"
          className={styles["send"]}
          aria-label={texts.composer.send}
          title={texts.composer.send}
          disabled={!isSendable}
        >
          <Icon name="arrowUp" size={20} />
        </button>
      </div>
      <p id={hintId} className={styles["hint"]}>
        <Count left={left} />
      </p>
    </form>
  );
}

function Count({ left }: { left: number }): ReactNode {
  if (left < 0) {
    return <span className={styles["over"]}>{texts.composer.tooLong(-left)}</span>;
  }
  if (left < WARN_BELOW) return texts.composer.left(left);
  return <span className={styles["keys"]}>{texts.composer.hint}</span>;
}

function fitHeight(area: HTMLTextAreaElement | null): void {
  if (area === null) return;
  area.style.height = "auto";
  area.style.height = `${Math.min(area.scrollHeight, MAX_HEIGHT_PX)}px`;
  area.style.overflowY = area.scrollHeight > MAX_HEIGHT_PX ? "auto" : "hidden";
}
