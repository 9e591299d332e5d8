import { describe, expect, it } from "vitest";

import { reduceSession } from "@/shared/streams/session-reducer";
import { emptySession } from "@/shared/streams/session-state";
import { eventsOf, turn } from "@/test/events";

import { createRowSelector, rowsOf } from "./rows";

const nothingSent = { draft: "", messages: [] };
const log = eventsOf(turn(["One ", "two."]), "run-1");

function stateAt(count: number) {
  return reduceSession(emptySession, log.slice(0, count)).state;
}

function kinds(count: number): string[] {
  return rowsOf(stateAt(count), nothingSent).map((row) => row.kind);
}

describe("the timeline's rows", () => {
  it("follow a turn from the question to the whole reply", () => {
    expect(kinds(1)).toEqual(["founder"]);
    expect(kinds(2)).toEqual(["founder", "activity"]);
    expect(kinds(5)).toEqual(["founder", "coach", "activity"]);
    expect(kinds(log.length)).toEqual(["founder", "coach"]);
  });

  it("are the same array while only text grows", () => {
    const select = createRowSelector();
    expect(select(stateAt(6), nothingSent)).toBe(select(stateAt(7), nothingSent));
    expect(select(stateAt(7), nothingSent)).not.toBe(select(stateAt(log.length), nothingSent));
  });

  it("keep a founder's row when the gateway has the message", () => {
    const message = {
      requestId: "request-1",
      text: "Why?",
      state: "sent",
      error: null,
      createdAt: "",
    } as const;
    const outbox = { draft: "", messages: [message] };
    const before = rowsOf(emptySession, outbox);
    const after = rowsOf(stateAt(1), outbox);
    expect(before.map((row) => row.key)).toEqual(after.map((row) => row.key));
  });

  it("end with what can be done when a run failed", () => {
    const failed = eventsOf(
      [{ type: "run.failed", data: { code: "run_lost", detail: "", retryable: true, retry_after_ms: null } }],
      "run-1",
      7,
    );
    const { state } = reduceSession(stateAt(6), failed);
    expect(rowsOf(state, nothingSent).at(-1)).toMatchObject({ kind: "ending", runId: "run-1" });
  });

  it("hide attempts that a retry replaced", () => {
    const superseded = eventsOf(
      [{ type: "message.finished", data: { message_id: "reply-1", status: "superseded", length: 8 } }],
      "run-1",
      log.length + 1,
    );
    const { state } = reduceSession(stateAt(log.length), superseded);
    expect(rowsOf(state, nothingSent).map((row) => row.kind)).toEqual(["founder", "superseded"]);
  });
});
