/** What a case of the gallery stands in: a name, a place, a client of its own. */
import { type ReactNode, useEffect, useRef, useState } from "react";

import type { Client } from "@/shared/client";
import { ChatFrame, createTestClient } from "@/test/chat-harness";

import styles from "./gallery.module.css";

interface CaseProps {
  name: string;
  children: ReactNode;
}

export function Case({ name, children }: CaseProps): ReactNode {
  return (
    <div className={styles["case"]}>
      <p className={styles["name"]}>{name}</p>
      {children}
    </div>
  );
}

export function Row({ children }: { children: ReactNode }): ReactNode {
  return <div className={styles["row"]}>{children}</div>;
}

/** What usually covers the page stays in its place here. */
export function Stage({ children }: { children: ReactNode }): ReactNode {
  return <div className={styles["stage"]}>{children}</div>;
}

/** As much as a window shows of a whole page or panel. */
export function Screen({ children }: { children: ReactNode }): ReactNode {
  return <div className={styles["screen"]}>{children}</div>;
}

export type Answer = (path: string) => Response;

interface OnClientProps {
  /** Brings the client into the state the case is about. */
  prepare?: (client: Client) => void;
  /** What the gateway says over HTTP; it never answers by default. */
  answer?: Answer;
  children: ReactNode;
}

/** Parts on a client that nobody else has. */
export function OnClient({ prepare, answer, children }: OnClientProps): ReactNode {
  const [client] = useState(() => {
    const made = createTestClient((input) =>
      answer ? Promise.resolve(answer(String(input))) : new Promise(doNothing),
    );
    prepare?.(made);
    return made;
  });
  return <ChatFrame client={client}>{children}</ChatFrame>;
}

interface PressedProps {
  /** The name of the button. */
  name: string;
  children: ReactNode;
}

/** Parts as they are once a button was pressed. */
export function Pressed({ name, children }: PressedProps): ReactNode {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const buttons = [...(place.current?.querySelectorAll("button") ?? [])];
    const named = (button: HTMLElement) => button.ariaLabel ?? button.textContent;
    buttons.find((button) => named(button) === name)?.click();
  }, [name]);
  return <div ref={place}>{children}</div>;
}

export function doNothing(): void {}
