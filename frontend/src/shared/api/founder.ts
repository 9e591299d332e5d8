/** The founder of this browser: found, or minted once for all its tabs. */
import { readStored, writeStored } from "../storage";
import type { Rest } from "./rest";
import type { FounderView } from "./wire";

/** Gives the founder of this browser's cookie, or a new one when it has none. */
export function ensureFounder(rest: Rest): Promise<FounderView> {
  // Asked twice before the first cookie came, the gateway would mint two.
  underWay ??= underTabLock("vb.founder", () => rest.mintFounder())
    .then((founder) => {
      if (!hasHadFounder()) writeStored(MINTED_KEY, true);
      return founder;
    })
    .finally(() => {
      underWay = null;
    });
  return underWay;
}

const MINTED_KEY = "vb.founder.minted";

/** Whether this browser was a founder's before; its cookie cannot be seen. */
export function hasHadFounder(): boolean {
  return readStored(MINTED_KEY, (value) => value === true) ?? false;
}

let underWay: Promise<FounderView> | null = null;

const CHANGED_KEY = "vb.founder.changed";

/** Tells the browser's other tabs that its founder is now another. */
export function tellFounderChanged(): void {
  writeStored(CHANGED_KEY, Date.now());
}

/** Begins anew when another tab changed the founder: drafts are kept anyway. */
export function followFounderChanges(): void {
  addEventListener("storage", (event) => {
    if (event.key === CHANGED_KEY) location.replace("/");
  });
}

async function underTabLock<Result>(
  name: string,
  task: () => Promise<Result>,
): Promise<Result> {
  // Locks exist only where the page is served securely or from this machine.
  if (!navigator.locks) return task();
  return await navigator.locks.request(name, task);
}
