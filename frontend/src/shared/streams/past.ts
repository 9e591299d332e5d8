/**
 * A stretch of a talk away from its end, opened where something was said.
 *
 * Its messages stand among the state's messages; only the order is its own. It
 * grows in both directions and is given up when it reaches the end.
 */
import type { MessagePage, MessageView } from "../api/wire";
import type { SessionState } from "./session-state";

export interface Past {
  order: readonly string[];
  hasMore: boolean;
}

/** Shows the messages round one; what is shown already is left as it is. */
export function withPast(state: SessionState, page: MessagePage): SessionState {
  const order = page.messages.map((view) => view.message_id);
  const past = { order, hasMore: page.has_more };
  return joined({ ...withMessages(state, page.messages), past }, page);
}

/** Adds what was said after the stretch. */
export function withNewerPage(state: SessionState, page: MessagePage): SessionState {
  if (state.past === null) return state;
  const known = new Set(state.past.order);
  const newer = page.messages.map((view) => view.message_id).filter((id) => !known.has(id));
  const past = { ...state.past, order: [...state.past.order, ...newer] };
  return joined({ ...withMessages(state, page.messages), past }, page);
}

/** Back at the end of the talk. */
export function withoutPast(state: SessionState): SessionState {
  return state.past === null ? state : { ...state, past: null };
}

/** What is shown: the stretch while there is one, else the end of the talk. */
export function shownOrder(state: SessionState): Past {
  return state.past ?? { order: state.order, hasMore: state.hasMore };
}

/** One talk again, once the stretch has met the end of it. */
function joined(state: SessionState, page: MessagePage): SessionState {
  const { past } = state;
  const recent = new Set(state.order);
  const meets = past?.order.some((id) => recent.has(id)) || !page.has_newer;
  if (past === null || !meets) return state;
  const order = [...past.order.filter((id) => !recent.has(id)), ...state.order];
  return { ...state, order, hasMore: past.hasMore, past: null };
}

function withMessages(state: SessionState, views: readonly MessageView[]): SessionState {
  const messages = new Map(state.messages);
  // What the stream has said is newer than any page.
  for (const view of views) {
    if (!messages.has(view.message_id)) messages.set(view.message_id, view);
  }
  return { ...state, messages };
}
