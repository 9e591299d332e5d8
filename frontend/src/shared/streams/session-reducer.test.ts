import * as fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";

import { eventsOf, turn } from "@/test/events";

import type { MessageView } from "../api/wire";
import { reduceSession } from "./session-reducer";
import {
  activeRunOf,
  emptySession,
  messagesOf,
  queuePositionOf,
  type SessionState,
  withOlderPage,
  withSnapshot,
} from "./session-state";

const pieces = ["Let ", "us ", "look ", "at **it**."];
const log = eventsOf(turn(pieces), "run-1");

describe("a session's events", () => {
  it("give the founder's words and the whole reply", () => {
    const { state, isGap } = reduceSession(emptySession, log);
    expect(isGap).toBe(false);
    expect(messagesOf(state).map(({ role, text, status }) => ({ role, text, status }))).toEqual([
      { role: "founder", text: "Why?", status: "complete" },
      { role: "coach", text: pieces.join(""), status: "complete" },
    ]);
    expect(activeRunOf(state)).toBeNull();
    expect(state.runs.get("run-1")?.steps[0]).toMatchObject({ status: "complete", duration_ms: 900 });
  });

  it("give the same state however they are cut, repeated or overlapped", () => {
    const whole = reduceSession(emptySession, log).state;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(log.length), fc.nat(4)), { maxLength: 12 }),
        (cuts) => {
          const ends = [...cuts.map(([end]) => end), log.length].toSorted((a, b) => a - b);
          let state = emptySession;
          ends.forEach((end, index) => {
            const overlap = cuts[index]?.[1] ?? 0;
            const start = Math.max(0, state.seq - overlap);
            state = reduceSession(state, log.slice(start, end)).state;
          });
          expect(state).toEqual(whole);
        },
      ),
    );
  });

  it("stop at a hole and keep what was whole", () => {
    const holed = [...log.slice(0, 6), ...log.slice(7)];
    const { state, isGap } = reduceSession(emptySession, holed);
    expect(isGap).toBe(true);
    expect(state.seq).toBe(6);
    expect(reduceSession(state, log.slice(6)).state).toEqual(reduceSession(emptySession, log).state);
  });

  it("leave everything they do not touch the same object", () => {
    const before = reduceSession(emptySession, log.slice(0, 7)).state;
    const after = reduceSession(before, log.slice(7, 8)).state;
    expect(after.messages.get("question-1")).toBe(before.messages.get("question-1"));
    expect(after.order).toBe(before.order);
    expect(after.runs.get("run-1")).toBe(before.runs.get("run-1"));
    expect(after.messages.get("reply-1")).not.toBe(before.messages.get("reply-1"));
  });

  it("tell which place a waiting message has", () => {
    const first = eventsOf(turn(pieces).slice(0, 6), "run-1");
    const second = eventsOf(turn([], 2).slice(0, 2), "run-2", 7);
    const { state } = reduceSession(emptySession, [...first, ...second]);
    expect(queuePositionOf(state, "question-1")).toBeNull();
    expect(queuePositionOf(state, "question-2")).toBe(1);
  });
});

describe("a snapshot", () => {
  let whole: SessionState;
  let views: MessageView[];
  beforeEach(() => {
    whole = reduceSession(emptySession, log).state;
    views = messagesOf(whole);
  });
  const snapshot = (epoch: string, messages = views.slice(1)) => ({
    seq: 40,
    epoch,
    data: {
      session: {
        session_id: "s",
        title: "T",
        archived: false,
        pinned: false,
        branched_from: null,
        created_at: "",
        updated_at: "",
        stream: "session:s",
        last_seq: 40,
      },
      messages,
      has_more: true,
      runs: [],
    },
  });

  it("keeps the older messages it joins without a hole", () => {
    const state = withSnapshot({ ...whole, epoch: "e1" }, snapshot("e1"));
    expect(messagesOf(state)).toEqual(views);
    expect(state.seq).toBe(40);
  });

  it("of another epoch replaces everything", () => {
    const state = withSnapshot({ ...whole, epoch: "e1" }, snapshot("e2"));
    expect(messagesOf(state)).toEqual(views.slice(1));
    expect(state.hasMore).toBe(true);
  });

  it("and an older page join in order, once", () => {
    const state = withSnapshot(emptySession, snapshot("e1"));
    const rest = { has_more: false, has_newer: false, last_seq: 40, epoch: "e1" };
    const page = { messages: views, ...rest };
    expect(messagesOf(withOlderPage(state, page))).toEqual(views);
  });
});
