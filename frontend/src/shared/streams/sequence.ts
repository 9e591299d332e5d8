/** Which events of a batch follow what is already known. */
import type { StreamEvent } from "../api/wire";

export interface Following {
  events: StreamEvent[];
  /** Something is missing between what is known and what came. */
  isGap: boolean;
}

/** Drops what is known, stops at a hole. */
export function followingEvents(seq: number, batch: readonly StreamEvent[]): Following {
  const events: StreamEvent[] = [];
  let last = seq;
  for (const event of batch) {
    if (event.seq <= last) continue;
    if (event.seq > last + 1) return { events, isGap: true };
    events.push(event);
    last = event.seq;
  }
  return { events, isGap: false };
}
