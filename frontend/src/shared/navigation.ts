/** Where the founder is: the start, or one session. */
import type { MouseEvent } from "react";

import { Store, useStore } from "./store";

/** Path and query: what decides what is shown. */
const place = new Store(currentPlace());

addEventListener("popstate", () => place.set(currentPlace()));

export function navigate(to: string, options: { isReplacing?: boolean } = {}): void {
  if (to === place.get()) return;
  if (options.isReplacing) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  place.set(to);
}

function currentPlace(): string {
  return location.pathname + location.search;
}

/** A plain click on a link stays in the page; any other is the browser's. */
export function followInPage(event: MouseEvent<HTMLAnchorElement>): boolean {
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return false;
  event.preventDefault();
  const { pathname, search } = new URL(event.currentTarget.href);
  navigate(pathname + search);
  return true;
}

export function sessionPath(sessionId: string): string {
  return `/sessions/${sessionId}`;
}

/** A session opened where something was said. */
export function messagePath(sessionId: string, seq: number): string {
  return `${sessionPath(sessionId)}?at=${seq}`;
}

const SESSION_PATH = /^\/sessions\/([0-9a-f-]{36})\/?(?:\?|$)/;
const MESSAGE_SEQ = /[?&]at=(\d{1,15})(?:&|$)/;

/** The session the address names, or null at the start page. */
export function useSessionId(): string | null {
  return useStore(place, sessionIdIn);
}

function sessionIdIn(pathname: string): string | null {
  return SESSION_PATH.exec(pathname)?.[1] ?? null;
}

/** The place in the session the address names; null for its end. */
export function useMessageSeq(): number | null {
  return useStore(place, messageSeqIn);
}

function messageSeqIn(address: string): number | null {
  const digits = MESSAGE_SEQ.exec(address)?.[1];
  return digits === undefined ? null : Number(digits);
}
