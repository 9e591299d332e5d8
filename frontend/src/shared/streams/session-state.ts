/** What a session's stream says, as the page keeps it. */
import type {
  MessagePage,
  MessageView,
  RunView,
  SessionSnapshot,
  SessionView,
} from "../api/wire";
import type { Past } from "./past";

export interface ToolCall {
  tool_call_id: string;
  step_id: string;
  title: string;
  status: "running" | "complete" | "failed" | "cancelled";
  started_at: string;
  duration_ms: number | null;
}

export interface Run extends RunView {
  tools: readonly ToolCall[];
}

/** `loading` until a snapshot or the whole log came; `gone` when it never will. */
export type StreamPhase = "loading" | "replaying" | "live" | "gone";

export interface SessionState {
  phase: StreamPhase;
  seq: number;
  /** The epoch `seq` belongs to. */
  epoch: string | null;
  session: SessionView | null;
  /** Message ids in the order of the talk. */
  order: readonly string[];
  messages: ReadonlyMap<string, MessageView>;
  runs: ReadonlyMap<string, Run>;
  hasMore: boolean;
  /** A stretch further back that is shown instead of the end. */
  past: Past | null;
}

export const emptySession: SessionState = {
  phase: "loading",
  seq: 0,
  epoch: null,
  session: null,
  order: [],
  messages: new Map(),
  runs: new Map(),
  hasMore: false,
  past: null,
};

/** Replaces what is known; older pages stay where they join without a hole. */
export function withSnapshot(
  state: SessionState,
  snapshot: { seq: number; epoch: string; data: SessionSnapshot },
): SessionState {
  const { data, seq, epoch } = snapshot;
  const older = state.epoch === epoch ? joiningOlder(state, data.messages) : [];
  const views = [...older, ...data.messages];
  return {
    phase: "replaying",
    seq,
    epoch,
    session: data.session,
    order: views.map((view) => view.message_id),
    messages: new Map(views.map((view) => [view.message_id, view])),
    runs: new Map(data.runs.map((run) => [run.run_id, { ...run, tools: [] }])),
    hasMore: older.length > 0 ? state.hasMore : data.has_more,
    past: null,
  };
}

function joiningOlder(
  state: SessionState,
  recent: readonly MessageView[],
): MessageView[] {
  const oldest = recent[0];
  if (oldest === undefined || !state.messages.has(oldest.message_id)) return [];
  return messagesOf(state).filter((message) => message.seq < oldest.seq);
}

/** Puts an older page before what is shown. */
export function withOlderPage(state: SessionState, page: MessagePage): SessionState {
  const shown = new Set(state.past?.order ?? state.order);
  const older = page.messages.filter((view) => !shown.has(view.message_id));
  const messages = new Map(state.messages);
  for (const view of older) messages.set(view.message_id, view);
  const order = [...older.map((view) => view.message_id), ...shown];
  const history = { order, hasMore: page.has_more };
  if (state.past !== null) return { ...state, messages, past: history };
  return { ...state, messages, ...history };
}

export function messagesOf(state: SessionState): MessageView[] {
  return state.order.flatMap((id) => state.messages.get(id) ?? []);
}

export function isFinal(run: RunView): boolean {
  return run.state === "finished" || run.state === "failed" || run.state === "cancelled";
}

/** The run at work: the first that is not over. */
export function activeRunOf(state: SessionState): Run | null {
  for (const run of state.runs.values()) if (!isFinal(run)) return run;
  return null;
}

export function lastRunOf(state: SessionState): Run | null {
  let last: Run | null = null;
  for (const run of state.runs.values()) last = run;
  return last;
}

/** Where a message stands among those that wait; null when it does not wait. */
export function queuePositionOf(state: SessionState, messageId: string): number | null {
  const waiting = [...state.runs.values()].filter((run) => !isFinal(run)).slice(1);
  const index = waiting.findIndex((run) => run.message_id === messageId);
  return index < 0 ? null : index + 1;
}
