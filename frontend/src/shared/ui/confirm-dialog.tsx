/** Asks before something that cannot be undone. */
import { type ReactNode, useId, useLayoutEffect, useRef } from "react";

import { texts } from "../i18n/texts";
import { Button } from "./button";
import styles from "./confirm-dialog.module.css";

interface ConfirmDialogProps {
  title: string;
  text: string;
  action: string;
  onConfirm: () => void;
  onClose: () => void;
}

/** Open as long as it is rendered. */
export function ConfirmDialog(props: ConfirmDialogProps): ReactNode {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  // Closed while still in the page, it gives the focus back to where it was.
  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  const confirm = () => {
    props.onConfirm();
    props.onClose();
  };
  return (
    <dialog
      ref={dialog}
      className={styles["dialog"]}
      aria-labelledby={`${id}-title`}
      aria-describedby={`${id}-text`}
      onCancel={props.onClose}
    >
      <h2 id={`${id}-title`}>{props.title}</h2>
      <p id={`${id}-text`}>{props.text}</p>
      <div className={styles["actions"]}>
        <Button onClick={props.onClose}>{texts.cancel}</Button>
        <Button look="danger" onClick={confirm}>
          {props.action}
        </Button>
      </div>
    </dialog>
  );
}
