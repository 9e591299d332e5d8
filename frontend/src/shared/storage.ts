/** Local storage that may be full, blocked or hold somebody else's text. */

export function readStored<Value>(
  key: string,
  isValue: (value: unknown) => value is Value,
): Value | null {
  try {
    const text = localStorage.getItem(key);
    const value: unknown = text === null ? null : JSON.parse(text);
    return isValue(value) ? value : null;
  } catch {
    // Blocked storage or broken JSON: as if nothing had been kept.
    return null;
  }
}

/** Keeps a value; `null` forgets it. Returns whether the browser took it. */
export function writeStored(key: string, value: unknown): boolean {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}
