/** What each event changes, and what it leaves as it was. */
import { describe, expect, it } from "vitest";

import { eventsOf, SESSION, STREAM, turn } from "@/test/events";

import type { MessageView, SessionView, StreamEvent } from "../api/wire";
import { reduceSession } from "./session-reducer";
import { emptySession, type SessionState } from "./session-state";

type Body = Parameters<typeof eventsOf>[0][number];

const usage: Body = {
  type: "usage",
  data: { prompt_tokens: 30, completion_tokens: 12, model: "m" },
};
const step = (step_id: string): Body => ({
  type: "step.started",
  data: { step_id, task: "reply", agent: "Coach", title: "Replying" },
});
const tool = (tool_call_id: string): Body => ({
  type: "tool.started",
  data: { tool_call_id, step_id: "s1", tool: "t", title: "Looking" },
});
const session: SessionView = {
  session_id: SESSION,
  title: "T",
  archived: false,
  pinned: false,
  branched_from: null,
  created_at: "",
  updated_at: "",
  stream: STREAM,
  last_seq: 1,
};

/** A message and its run, as far as `run.created`. */
const asked = turn([]).slice(0, 2);

function after(...bodies: Body[]): SessionState {
  return reduceSession(emptySession, eventsOf(bodies, "run-1")).state;
}

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, seconds)).toISOString();
const runOf = (state: SessionState, id = "run-1") => state.runs.get(id);

describe("a run", () => {
  it("begins queued, with nothing done", () => {
    expect(runOf(after(...asked))).toEqual({
      run_id: "run-1",
      session_id: SESSION,
      trigger: "message",
      message_id: "question-1",
      parent_run_id: null,
      state: "queued",
      position: null,
      crew: null,
      error: null,
      prompt_tokens: 0,
      completion_tokens: 0,
      steps: [],
      tools: [],
      created_at: at(1),
      started_at: null,
      ended_at: null,
    });
  });

  it("has a place until it starts", () => {
    const queued = after(...asked, { type: "run.queued", data: { position: 3 } });
    expect(runOf(queued)).toMatchObject({ state: "dispatched", position: 3 });
    const crew = { crew: "coaching", digest: "d", generations: {} };
    const started = after(
      ...asked,
      { type: "run.queued", data: { position: 3 } },
      { type: "run.started", data: crew },
    );
    expect(runOf(started)).toMatchObject({
      state: "running",
      position: null,
      crew,
      started_at: at(3),
    });
  });

  it("is at work from its first step, also when its start was not heard", () => {
    const queued: Body = { type: "run.queued", data: { position: 3 } };
    const state = after(...asked, queued, step("s1"));
    expect(runOf(state)).toMatchObject({ state: "running", position: null });
  });

  it("keeps its steps apart, a repeated one last", () => {
    const done: Body = {
      type: "step.finished",
      data: { step_id: "s2", status: "failed", duration_ms: 7, reused: false },
    };
    const told = { task: "reply", agent: "Coach", title: "Replying" };
    const running = { ...told, status: "running", duration_ms: null };
    expect(runOf(after(...asked, step("s1"), step("s2"), done))?.steps).toEqual([
      { ...running, step_id: "s1", started_at: at(2) },
      { ...running, step_id: "s2", started_at: at(3), status: "failed", duration_ms: 7 },
    ]);
    expect(runOf(after(...asked, step("s1"), step("s2"), step("s1")))?.steps).toEqual([
      { ...running, step_id: "s2", started_at: at(3) },
      { ...running, step_id: "s1", started_at: at(4) },
    ]);
  });

  it("keeps its tool calls apart", () => {
    const done: Body = {
      type: "tool.finished",
      data: { tool_call_id: "c2", status: "failed", duration_ms: 9 },
    };
    const running = { step_id: "s1", title: "Looking", status: "running", duration_ms: null };
    expect(runOf(after(...asked, tool("c1"), tool("c2"), done))?.tools).toEqual([
      { ...running, tool_call_id: "c1", started_at: at(2) },
      { ...running, tool_call_id: "c2", started_at: at(3), status: "failed", duration_ms: 9 },
    ]);
  });

  it("adds up its tokens", () => {
    expect(runOf(after(...asked, usage, usage))).toMatchObject({
      prompt_tokens: 60,
      completion_tokens: 24,
    });
  });

  it.each([
    [{ type: "run.finished", data: {} }, { state: "finished", error: null }],
    [{ type: "run.cancelled", data: { reason: "founder" } }, { state: "cancelled", error: null }],
    [
      { type: "run.failed", data: { code: "c", detail: "d", retryable: true, retry_after_ms: null } },
      { state: "failed", error: { code: "c", detail: "d", retryable: true, retry_after_ms: null } },
    ],
  ] satisfies [Body, object][])("ends by $type", (end, expected) => {
    expect(runOf(after(...asked, end))).toMatchObject({ ...expected, ended_at: at(2) });
  });

  it("hears the place of its own message alone", () => {
    const others = turn([], 2).slice(0, 2);
    const told: Body = { type: "message.queued", data: { message_id: "question-2", position: 4 } };
    const state = after(...asked, ...others, told);
    expect(runOf(state)?.position).toBeNull();
    expect(runOf(state, "run-2")?.position).toBe(4);
  });

  it("is left alone by what it does not know or nobody knows", () => {
    const before = after(...asked);
    const unknown = { type: "run.dreamt", data: { position: 9 } } as unknown as Body;
    expect(runOf(after(...asked, unknown))).toEqual(runOf(before));
    const foreign = eventsOf([usage], "run-9", 3);
    expect(reduceSession(before, foreign).state.runs).toEqual(before.runs);
    const ofNobody = { ...foreign[0], run_id: null } as StreamEvent;
    expect(reduceSession(before, [ofNobody]).state.runs).toEqual(before.runs);
  });
});

describe("a message", () => {
  it("of the coach begins empty and streaming", () => {
    const state = after({ type: "message.started", data: { message_id: "m", agent: "Coach" } });
    expect(state.order).toEqual(["m"]);
    expect(state.messages.get("m")).toEqual({
      message_id: "m",
      session_id: SESSION,
      role: "coach",
      text: "",
      status: "streaming",
      seq: 1,
      run_id: "run-1",
      request_id: null,
      agent: "Coach",
      suggestions: [],
      feedback: "none",
      created_at: at(0),
      finished_at: null,
    });
  });

  it("of the founder is complete at once", () => {
    expect(after(...asked).messages.get("question-1")).toMatchObject({
      role: "founder",
      text: "Why?",
      status: "complete",
      request_id: "request-1",
      run_id: "run-1",
      agent: null,
      finished_at: at(0),
    });
  });

  it("of the session it branched from comes as it was", () => {
    const message = { message_id: "old", text: "Then" } as MessageView;
    const state = after({ type: "message.copied", data: { message } });
    expect(state.order).toEqual(["old"]);
    expect(state.messages.get("old")).toBe(message);
  });

  it("takes its end, its suggestions and its rating", () => {
    const suggestions = [
      { label: "Go", command: { type: "message.send" as const, text: "Go on" } },
    ];
    const state = after(
      ...turn(["Well"]),
      { type: "suggestions", data: { message_id: "reply-1", suggestions } },
      { type: "message.feedback", data: { message_id: "reply-1", value: "up" } },
    );
    expect(state.messages.get("reply-1")).toMatchObject({
      text: "Well",
      status: "complete",
      suggestions,
      feedback: "up",
      finished_at: at(6),
    });
    expect(state.messages.get("question-1")).toMatchObject({ suggestions: [], feedback: "none" });
  });

  it("nobody began is not made by what is said of it", () => {
    const state = after({ type: "message.delta", data: { message_id: "m", text: "?" } });
    expect(state.messages.size).toBe(0);
    expect(state.seq).toBe(1);
  });

  it("told twice has one place", () => {
    const started: Body = { type: "message.started", data: { message_id: "m", agent: "Coach" } };
    expect(after(started, started).order).toEqual(["m"]);
  });
});

describe("a session", () => {
  it.each(["session.created", "session.updated"] as const)("is what %s says", (type) => {
    const state = after({ type, data: { session } });
    expect(state.session).toEqual(session);
    expect(state.phase).toBe("loading");
  });

  it("is gone when it was deleted", () => {
    const deleted = { type: "session.deleted", data: { session_id: SESSION } } as unknown as Body;
    expect(after({ type: "session.created", data: { session } }, deleted)).toMatchObject({
      phase: "gone",
      session,
    });
  });

  it("is the same object when nothing follows what is known", () => {
    const state = after(...asked);
    const { state: again, isGap } = reduceSession(state, eventsOf(asked, "run-1"));
    expect(again).toBe(state);
    expect(isGap).toBe(false);
  });
});
