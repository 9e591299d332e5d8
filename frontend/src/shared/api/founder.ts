/** The founder of this browser: found, or minted once for all its tabs. */
import { CommandError } from "./command-error";
import type { Rest } from "./rest";
import type { FounderView } from "./wire";

/** Asks who the founder is and mints one when there is none. */
export function ensureFounder(rest: Rest): Promise<FounderView> {
  return underTabLock("vb.founder", async () => {
    try {
      return await rest.founder();
    } catch (error) {
      const isNobody = error instanceof CommandError && error.status === 401;
      if (!isNobody) throw error;
      return rest.mintFounder();
    }
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
