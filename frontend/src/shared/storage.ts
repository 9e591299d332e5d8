/**
 * Local storage that may be full, blocked or hold somebody else's text.
 *
 * What the browser does not take is kept in memory, so that it lasts as long
 * as the page; `isStorageKept` says so to whoever should tell the founder.
 */
import { Store } from "./store";

/** False from the first value on that will not outlive this page. */
export const isStorageKept = new Store(true);

const inMemory = new Map<string, string>();

export function readStored<Value>(
  key: string,
  isValue: (value: unknown) => value is Value,
): Value | null {
  try {
    const text = inMemory.get(key) ?? localStorage.getItem(key);
    const value: unknown = text === null ? null : JSON.parse(text);
    return isValue(value) ? value : null;
  } catch {
    // Blocked storage or broken JSON: as if nothing had been kept.
    return null;
  }
}

/** Keeps a value; `null` forgets it. Returns whether the browser took it. */
export function writeStored(key: string, value: unknown): boolean {
  const text = value === null ? null : JSON.stringify(value);
  try {
    if (text === null) localStorage.removeItem(key);
    else localStorage.setItem(key, text);
    inMemory.delete(key);
    isStorageKept.set(inMemory.size === 0);
    return true;
  } catch {
    if (text === null) inMemory.delete(key);
    else inMemory.set(key, text);
    isStorageKept.set(inMemory.size === 0);
    return false;
  }
}
