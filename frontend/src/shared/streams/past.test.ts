import { describe, expect, it } from "vitest";

import type { MessageView } from "../api/wire";
import { shownOrder, withNewerPage, withoutPast, withPast } from "./past";
import { emptySession, messagesOf, type SessionState, withOlderPage } from "./session-state";

const seqs = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

function view(seq: number): MessageView {
  return {
    message_id: `m${seq}`,
    session_id: "s",
    role: "coach",
    text: `${seq}`,
    status: "complete",
    seq,
    run_id: null,
    request_id: null,
    agent: null,
    suggestions: [],
    feedback: "none",
    created_at: "2026-01-01T00:00:00.000Z",
    finished_at: null,
  };
}

function page(from: number, to: number, has_newer = true) {
  const messages = seqs(from, to).map(view);
  return { messages, has_more: from > 1, has_newer, last_seq: 100, epoch: "e" };
}

function shown(state: SessionState): number[] {
  return messagesOf({ ...state, order: shownOrder(state).order }).map(({ seq }) => seq);
}

/** A talk of a hundred messages of which the last twenty are known. */
const recent: SessionState = {
  ...emptySession,
  phase: "live",
  order: seqs(81, 100).map((seq) => `m${seq}`),
  messages: new Map(seqs(81, 100).map((seq) => [`m${seq}`, view(seq)])),
  hasMore: true,
};

describe("a stretch away from the end of a talk", () => {
  it("is shown in place of the end, and left for it", () => {
    const state = withPast(recent, page(30, 40));
    expect(shown(state)).toEqual(seqs(30, 40));
    expect(shown(withoutPast(state))).toEqual(seqs(81, 100));
  });

  it("grows in both directions", () => {
    let state = withPast(recent, page(30, 40));
    state = withNewerPage(state, page(35, 50));
    state = withOlderPage(state, page(20, 29));
    expect(shown(state)).toEqual(seqs(20, 50));
    expect(shownOrder(state).hasMore).toBe(true);
  });

  it("becomes one talk with the end when it meets it", () => {
    let state = withPast(recent, page(60, 70));
    state = withNewerPage(state, page(65, 90));
    expect(state.past).toBeNull();
    expect(shown(state)).toEqual(seqs(60, 100));
    expect(shown(withOlderPage(state, page(50, 59)))).toEqual(seqs(50, 100));
  });

  it("joins at once when it lies at the end", () => {
    expect(shown(withPast(recent, page(70, 95)))).toEqual(seqs(70, 100));
    expect(shown(withPast(recent, page(70, 80, false)))).toEqual(seqs(70, 100));
  });

  it("does not undo what the stream has said since", () => {
    const rated = { ...view(85), feedback: "up" } as const;
    const messages = new Map([...recent.messages, ["m85", rated]]);
    const state = withPast({ ...recent, messages }, page(84, 86));
    expect(state.messages.get("m85")?.feedback).toBe("up");
  });
});
