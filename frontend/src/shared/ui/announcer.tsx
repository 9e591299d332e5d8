/** What a screen reader is told: the page's one polite live region for talk. */
import type { ReactNode } from "react";

import { Store, useValue } from "../store";

interface Line {
  id: number;
  text: string;
}

/** Read aloud long before; only additions are announced, so they may go. */
const KEPT_LINES = 8;
const FORGOTTEN_AFTER_MS = 20_000;

const lines = new Store<readonly Line[]>([]);
let lastId = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Says the text once, after what is being said. */
export function announce(text: string): void {
  if (text === "") return;
  lastId += 1;
  lines.set([...lines.get().slice(1 - KEPT_LINES), { id: lastId, text }]);
  clearTimeout(timer);
  timer = setTimeout(() => lines.set([]), FORGOTTEN_AFTER_MS);
}

export function Announcer(): ReactNode {
  const said = useValue(lines);
  return (
    <div
      className="visually-hidden"
      role="status"
      aria-live="polite"
      aria-atomic="false"
      aria-relevant="additions"
      data-testid="announcer"
    >
      {said.map(({ id, text }) => (
        <p key={id} dir="auto">
          {text}
        </p>
      ))}
    </div>
  );
}
