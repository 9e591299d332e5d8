/**
 * Whatever a network does to a log, the page ends where the log ends.
 *
 * `recorded-log.json` is what a gateway said of a session with an opening, a reply
 * that broke off twice, a queue, a stop, a rating and another title, and
 * the messages it then gave over HTTP.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import recorded from "@/test/recorded-log.json";

import type { MessageView, StreamEvent } from "../api/wire";
import { reduceSession } from "./session-reducer";
import { emptySession, messagesOf, type SessionState } from "./session-state";

const log = recorded.events as unknown as StreamEvent[];
const whole = reduceSession(emptySession, log).state;

/** A piece of a log: from some events back, or after a hole, so many events. */
const piece = fc.record({ back: fc.nat(30), ahead: fc.nat(3), length: fc.integer({ min: 1, max: 40 }) });

/** Delivers pieces as they come; after a hole the page asks from where it stands. */
function delivered(
  events: readonly StreamEvent[],
  pieces: readonly { back: number; ahead: number; length: number }[],
): SessionState {
  let state = emptySession;
  for (const { back, ahead, length } of pieces) {
    const start = Math.max(0, state.seq - back + ahead);
    const { state: next, isGap } = reduceSession(state, events.slice(start, start + length));
    expect(isGap).toBe(start > state.seq && start < events.length);
    expect(next.seq).toBeGreaterThanOrEqual(state.seq);
    state = next;
  }
  return reduceSession(state, events.slice(state.seq)).state;
}

function fields(message: MessageView): Partial<MessageView> {
  const { message_id, role, text, status, run_id, request_id, feedback, suggestions } = message;
  return { message_id, role, text, status, run_id, request_id, feedback, suggestions };
}

describe("a recorded session", () => {
  it("is what the gateway itself says it is", () => {
    const stored = recorded.messages as unknown as MessageView[];
    expect(messagesOf(whole).map(fields)).toEqual(stored.map(fields));
    expect(whole.session?.title).toBe("Lunch");
    expect([...whole.runs.values()].map((run) => run.state)).toEqual([
      "finished",
      "failed",
      "failed",
      "cancelled",
      "finished",
    ]);
  });

  it("comes to the same by any pieces, repeated, overlapping or with holes", () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        expect(delivered(log, pieces)).toEqual(whole);
      }),
      { numRuns: 300 },
    );
  });
});

const runIds = fc.constantFrom("r1", "r2", "r3");
const messageIds = fc.constantFrom("m1", "m2", "m3", "unheard-of");
const words = fc.string({ maxLength: 6 });
const body: fc.Arbitrary<object> = fc.oneof(
  fc.record({ type: fc.constant("message.delta"), data: fc.record({ message_id: messageIds, text: words }) }),
  fc.record({ type: fc.constant("message.started"), data: fc.record({ message_id: messageIds, agent: words }) }),
  fc.record({
    type: fc.constant("message.accepted"),
    data: fc.record({ message_id: messageIds, request_id: words, text: words, run_id: runIds }),
  }),
  fc.record({
    type: fc.constant("message.finished"),
    data: fc.record({
      message_id: messageIds,
      status: fc.constantFrom("complete", "cancelled", "interrupted", "failed", "superseded"),
      length: fc.nat(9),
    }),
  }),
  fc.record({ type: fc.constant("suggestions"), data: fc.record({ message_id: messageIds, suggestions: fc.constant([]) }) }),
  fc.record({ type: fc.constant("message.feedback"), data: fc.record({ message_id: messageIds, value: fc.constantFrom("up", "down", "none") }) }),
  fc.record({ type: fc.constant("message.queued"), data: fc.record({ message_id: messageIds, position: fc.nat(3) }) }),
  fc.record({
    type: fc.constant("run.created"),
    data: fc.record({ run_id: runIds, trigger: fc.constant("message"), message_id: messageIds, parent_run_id: fc.constant(null) }),
  }),
  fc.record({ type: fc.constantFrom("run.finished", "session.deleted", "run.cancelled", "not.known.yet"), data: fc.constant({}) }),
  fc.record({ type: fc.constant("run.queued"), data: fc.record({ position: fc.nat(9) }) }),
  fc.record({ type: fc.constant("run.started"), data: fc.constant({ crew: "c", digest: "d", generations: {} }) }),
  fc.record({
    type: fc.constant("step.started"),
    data: fc.record({ step_id: fc.constantFrom("s1", "s2"), task: words, agent: words, title: words }),
  }),
  fc.record({
    type: fc.constant("step.finished"),
    data: fc.record({ step_id: fc.constantFrom("s1", "s2"), status: fc.constant("complete"), duration_ms: fc.nat(9), reused: fc.boolean() }),
  }),
  fc.record({ type: fc.constant("tool.started"), data: fc.record({ tool_call_id: words, step_id: words, tool: words, title: words }) }),
  fc.record({ type: fc.constant("tool.finished"), data: fc.record({ tool_call_id: words, status: fc.constant("complete"), duration_ms: fc.nat(9) }) }),
  fc.record({ type: fc.constant("usage"), data: fc.record({ prompt_tokens: fc.nat(9), completion_tokens: fc.nat(9), model: words }) }),
);

const anyLog = fc.array(fc.tuple(body, fc.option(runIds)), { maxLength: 40 }).map((bodies) =>
  bodies.map(([told, run_id], index) => {
    const ts = new Date(Date.UTC(2026, 0, 1) + index).toISOString();
    return { stream: "session:s", seq: index + 1, ts, run_id, ...told } as StreamEvent;
  }),
);

describe("any log, also one no gateway would write", () => {
  it("comes to the same by any pieces and changes nothing it was given", () => {
    fc.assert(
      fc.property(anyLog, fc.array(piece, { maxLength: 12 }), (events, pieces) => {
        const before = JSON.stringify(events);
        expect(delivered(events, pieces)).toEqual(reduceSession(emptySession, events).state);
        expect(JSON.stringify(events)).toBe(before);
      }),
      { numRuns: 300 },
    );
  });
});
