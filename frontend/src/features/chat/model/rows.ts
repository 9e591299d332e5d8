/** The timeline's rows, made from a session's state and its outbox. */
import type { MessageView } from "@/shared/api/wire";
import {
  activeRunOf,
  lastRunOf,
  messagesOf,
  type Run,
  type SessionState,
} from "@/shared/streams/session-state";

import type { Past } from "@/shared/streams/past";
import type { OutboxState } from "./outbox";

export type Row =
  | { kind: "founder"; key: string; messageId: string | null; requestId: string }
  | { kind: "coach"; key: string; messageId: string }
  | { kind: "superseded"; key: string; messageIds: readonly string[] }
  | { kind: "activity"; key: string; runId: string }
  | { kind: "ending"; key: string; runId: string }
  | { kind: "suggestions"; key: string; messageId: string };

export function rowsOf(state: SessionState, outbox: OutboxState): Row[] {
  if (state.past !== null) return pastRows(state, state.past);
  const messages = messagesOf(state);
  const active = activeRunOf(state);
  const rows: Row[] = [];
  const lastOfActive = active === null ? -1 : lastIndexOfRun(messages, active);
  messages.forEach((message, index) => {
    addMessage(rows, message);
    if (index === lastOfActive && active !== null) rows.push(activityRow(active));
  });
  if (active !== null && lastOfActive < 0) rows.push(activityRow(active));
  if (active === null) rows.push(...endingRows(state, messages, outbox));
  const known = new Set(messages.map((message) => message.request_id));
  for (const outgoing of outbox.messages) {
    if (!known.has(outgoing.requestId)) rows.push(founderRow(null, outgoing.requestId));
  }
  return rows;
}

/** What is at work stands at the end of the talk, not in the midst of it. */
function pastRows(state: SessionState, { order }: Past): Row[] {
  const rows: Row[] = [];
  for (const message of messagesOf({ ...state, order })) addMessage(rows, message);
  return rows;
}

/** The same array while the rows are the same: text may grow meanwhile. */
export function createRowSelector(): (
  state: SessionState,
  outbox: OutboxState,
) => readonly Row[] {
  let last: readonly Row[] = [];
  return (state, outbox) => {
    const next = rowsOf(state, outbox);
    if (!areSameRows(last, next)) last = next;
    return last;
  };
}

function addMessage(rows: Row[], message: MessageView): void {
  if (message.role === "founder") {
    rows.push(founderRow(message.message_id, message.request_id ?? message.message_id));
    return;
  }
  if (message.status !== "superseded") {
    rows.push({ kind: "coach", key: message.message_id, messageId: message.message_id });
    return;
  }
  const previous = rows.at(-1);
  if (previous?.kind === "superseded") {
    rows[rows.length - 1] = {
      ...previous,
      messageIds: [...previous.messageIds, message.message_id],
    };
    return;
  }
  rows.push({
    kind: "superseded",
    key: `superseded:${message.message_id}`,
    messageIds: [message.message_id],
  });
}

/** One key before and after the ack, so that the row stays the same row. */
function founderRow(messageId: string | null, requestId: string): Row {
  return { kind: "founder", key: `founder:${requestId}`, messageId, requestId };
}

function activityRow(run: Run): Row {
  return { kind: "activity", key: `activity:${run.run_id}`, runId: run.run_id };
}

/** The reply under way, or the message it answers; a retry has neither yet. */
function lastIndexOfRun(messages: readonly MessageView[], run: Run): number {
  return messages.findLastIndex((message) => message.run_id === run.run_id);
}

function endingRows(
  state: SessionState,
  messages: readonly MessageView[],
  outbox: OutboxState,
): Row[] {
  const last = lastRunOf(state);
  if (last?.state === "failed" || last?.state === "cancelled") {
    return [{ kind: "ending", key: `ending:${last.run_id}`, runId: last.run_id }];
  }
  const reply = messages.at(-1);
  const isOffering =
    outbox.messages.length === 0 && reply?.role === "coach" && reply.suggestions.length > 0;
  if (!isOffering) return [];
  const { message_id: messageId } = reply;
  return [{ kind: "suggestions", key: `suggestions:${messageId}`, messageId }];
}

function areSameRows(one: readonly Row[], other: readonly Row[]): boolean {
  return (
    one.length === other.length && one.every((row, index) => isSameRow(row, other[index]))
  );
}

function isSameRow(one: Row, other: Row | undefined): boolean {
  if (other === undefined || one.key !== other.key) return false;
  if (one.kind === "founder" && other.kind === "founder") {
    return one.messageId === other.messageId;
  }
  if (one.kind === "superseded" && other.kind === "superseded") {
    return one.messageIds.length === other.messageIds.length;
  }
  return true;
}
