/** The founder of this browser: found, or minted once for all its tabs. */
import type { Rest } from "./rest";
import type { FounderView } from "./wire";

/** Gives the founder of this browser's cookie, or a new one when it has none. */
export function ensureFounder(rest: Rest): Promise<FounderView> {
  // Asked twice before the first cookie came, the gateway would mint two.
  underWay ??= underTabLock("vb.founder", () => rest.mintFounder()).finally(() => {
    underWay = null;
  });
  return underWay;
}

let underWay: Promise<FounderView> | null = null;

async function underTabLock<Result>(
  name: string,
  task: () => Promise<Result>,
): Promise<Result> {
  // Locks exist only where the page is served securely or from this machine.
  if (!navigator.locks) return task();
  return await navigator.locks.request(name, task);
}
