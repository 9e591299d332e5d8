/** The founder's sessions, as their stream tells them. */
import type { SessionPage, SessionView, SnapshotFrame, StreamEvent } from "../api/wire";
import { followingEvents } from "./sequence";
import type { Reduced } from "./session-reducer";
import type { StreamPhase } from "./session-state";

export interface FounderState {
  phase: StreamPhase;
  seq: number;
  epoch: string | null;
  /** Every session heard of, archived ones too. */
  sessions: ReadonlyMap<string, SessionView>;
  /** Where the list of those not archived goes on; null at its end. */
  nextCursor: string | null;
  deletedIds: ReadonlySet<string>;
}

export const emptyFounder: FounderState = {
  phase: "loading",
  seq: 0,
  epoch: null,
  sessions: new Map(),
  nextCursor: null,
  deletedIds: new Set(),
};

export function withFounderSnapshot(
  state: FounderState,
  frame: Extract<SnapshotFrame, { kind: "founder" }>,
): FounderState {
  return {
    phase: "replaying",
    seq: frame.seq,
    epoch: frame.epoch,
    sessions: new Map(frame.data.sessions.map((view) => [view.session_id, view])),
    nextCursor: frame.data.next_cursor,
    deletedIds: state.deletedIds,
  };
}

/** Adds a page of the list; what the stream said since is newer and stays. */
export function withSessionPage(state: FounderState, page: SessionPage): FounderState {
  const sessions = new Map(state.sessions);
  for (const view of page.sessions) {
    const isKnown = sessions.has(view.session_id) || state.deletedIds.has(view.session_id);
    if (!isKnown) sessions.set(view.session_id, view);
  }
  return { ...state, sessions, nextCursor: page.next_cursor };
}

export function reduceFounder(
  state: FounderState,
  batch: readonly StreamEvent[],
): Reduced<FounderState> {
  const { events, isGap } = followingEvents(state.seq, batch);
  const last = events.at(-1);
  if (last === undefined) return { state, isGap };
  const sessions = new Map(state.sessions);
  const deletedIds = new Set(state.deletedIds);
  for (const event of events) {
    if (event.type === "session.created" || event.type === "session.updated") {
      sessions.set(event.data.session.session_id, event.data.session);
    } else if (event.type === "session.deleted") {
      sessions.delete(event.data.session_id);
      deletedIds.add(event.data.session_id);
    }
  }
  return { state: { ...state, sessions, deletedIds, seq: last.seq }, isGap };
}

/** Sessions that are not archived: pinned ones, then the last used. */
export function currentSessions(state: FounderState): SessionView[] {
  return inListOrder([...state.sessions.values()].filter((view) => !view.archived));
}

/** The order in which the gateway lists sessions. */
export function inListOrder(views: readonly SessionView[]): SessionView[] {
  return views.toSorted(
    (one, other) =>
      Number(other.pinned) - Number(one.pinned) ||
      other.updated_at.localeCompare(one.updated_at) ||
      other.session_id.localeCompare(one.session_id),
  );
}
