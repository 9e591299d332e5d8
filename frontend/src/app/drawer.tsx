/** The sessions on a small screen: over the page, gone when not needed. */
import { type ReactNode, useEffect, useRef } from "react";

import { texts } from "@/shared/i18n/texts";

import styles from "./app.module.css";

interface DrawerProps {
  isOpen: boolean;
  onClose: () => void;
  children: ReactNode;
}

export function Drawer({ isOpen, onClose, children }: DrawerProps): ReactNode {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (isOpen) dialog.current?.showModal();
    else dialog.current?.close();
  }, [isOpen]);
  return (
    // oxlint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-noninteractive-element-interactions -- Escape closes a modal dialog by itself
    <dialog
      ref={dialog}
      className={styles["drawer"]}
      aria-label={texts.navigation}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === event.currentTarget) onClose();
      }}
    >
      {isOpen && children}
    </dialog>
  );
}
