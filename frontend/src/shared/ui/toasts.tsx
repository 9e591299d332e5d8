/** Short words about what just happened, that leave by themselves. */
import { type ReactNode, useLayoutEffect, useRef } from "react";

import { Store, useValue } from "../store";
import styles from "./toasts.module.css";

interface Toast {
  id: number;
  text: string;
}

const VISIBLE_MS = 4_000;
const toasts = new Store<readonly Toast[]>([]);
let lastId = 0;

export function showToast(text: string): void {
  lastId += 1;
  const toast = { id: lastId, text };
  toasts.set([...toasts.get().filter((shown) => shown.text !== text), toast]);
  setTimeout(() => {
    toasts.set(toasts.get().filter((shown) => shown.id !== toast.id));
  }, VISIBLE_MS);
}

export function Toasts(): ReactNode {
  const shown = useValue(toasts);
  const layer = useRef<HTMLDivElement>(null);
  // Shown anew each time, so that it lies above a dialog opened since.
  useLayoutEffect(() => {
    const element = layer.current;
    if (element?.matches(":popover-open")) element.hidePopover();
    if (shown.length > 0) element?.showPopover();
  }, [shown]);
  return (
    <div className={styles["region"]} role="status">
      <div ref={layer} popover="manual" className={styles["toasts"]}>
        {shown.map((toast) => (
          <p key={toast.id} className={styles["toast"]}>
            {toast.text}
          </p>
        ))}
      </div>
    </div>
  );
}
