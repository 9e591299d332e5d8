/** Where the founder is: the start, or one session. */
import { Store, useStore } from "./store";

const path = new Store(location.pathname);

addEventListener("popstate", () => path.set(location.pathname));

export function navigate(to: string, options: { isReplacing?: boolean } = {}): void {
  if (to === path.get()) return;
  if (options.isReplacing) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  path.set(to);
}

export function sessionPath(sessionId: string): string {
  return `/sessions/${sessionId}`;
}

const SESSION_PATH = /^\/sessions\/([0-9a-f-]{36})\/?$/;

/** The session the address names, or null at the start page. */
export function useSessionId(): string | null {
  return useStore(path, sessionIdIn);
}

function sessionIdIn(pathname: string): string | null {
  return SESSION_PATH.exec(pathname)?.[1] ?? null;
}
