/** The secret of a link from another device: taken out of the address at once. */
import { newRequestId } from "@/shared/request-id";

export interface LinkToken {
  token: string;
  /** The same for every attempt: an answer that got lost does not use it up. */
  requestId: string;
}

const PATH = "/link";
const KEY = "vb.link";

export function isLinkPath(pathname: string): boolean {
  return pathname === PATH;
}

/** Moves the token from the address to this tab, out of the browser's history. */
export function takeLinkToken(): void {
  const token = location.hash.slice(1);
  if (!isLinkPath(location.pathname) || token === "") return;
  history.replaceState(null, "", PATH);
  keep({ token, requestId: newRequestId() });
}

let held: LinkToken | null = null;

/** What this tab was opened with; a reload does not lose it. */
export function linkToken(): LinkToken | null {
  if (held !== null) return held;
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    return isLinkToken(kept) ? kept : null;
  } catch {
    return null;
  }
}

export function forgetLinkToken(): void {
  keep(null);
}

function keep(link: LinkToken | null): void {
  held = link;
  try {
    if (link === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, JSON.stringify(link));
  } catch {
    // A blocked storage costs no more than the reload.
  }
}

function isLinkToken(value: unknown): value is LinkToken {
  if (typeof value !== "object" || value === null) return false;
  const { token, requestId } = value as Partial<LinkToken>;
  return typeof token === "string" && typeof requestId === "string";
}
