import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { eventsOf, STREAM, turn } from "@/test/events";

import { FLUSH_MS, HIDDEN_FLUSH_MS } from "./flush";
import { reduceSession } from "./session-reducer";
import { emptySession, messagesOf, withSnapshot } from "./session-state";
import { StreamStore } from "./stream-store";

function createStore({ isHidden = false } = {}) {
  const resubscribe = vi.fn<() => void>();
  const store = new StreamStore({
    stream: STREAM,
    rules: {
      empty: emptySession,
      reduce: reduceSession,
      withSnapshot: (state, frame) =>
        frame.kind === "session" ? withSnapshot(state, frame) : state,
    },
    resubscribe,
    isHidden: () => isHidden,
  });
  return { store, resubscribe };
}

const pieces = Array.from({ length: 400 }, (_, index) => `${index} `);
const log = eventsOf(turn(pieces), "run-1");
const deltas = log.filter((event) => event.type === "message.delta");
const before = log.slice(0, log.findIndex((event) => event.type === "message.delta"));

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** One delta every 5 ms: 2 s of a fast model. */
async function stream(store: ReturnType<typeof createStore>["store"]): Promise<number> {
  for (const event of before) store.receiveEvent(event);
  store.flush();
  const flushes = store.flushes;
  for (const event of deltas) {
    store.receiveEvent(event);
    await vi.advanceTimersByTimeAsync(5);
  }
  return store.flushes - flushes;
}

describe("a stream", () => {
  it(`changes at most every ${FLUSH_MS} ms while text arrives`, async () => {
    const { store } = createStore();
    const flushes = await stream(store);
    expect(flushes).toBeGreaterThan(30);
    expect(flushes).toBeLessThanOrEqual(2_000 / FLUSH_MS + 1);
  });

  it(`changes at most every ${HIDDEN_FLUSH_MS} ms while nobody looks`, async () => {
    const { store } = createStore({ isHidden: true });
    const flushes = await stream(store);
    expect(flushes).toBeGreaterThan(5);
    expect(flushes).toBeLessThanOrEqual(2_000 / HIDDEN_FLUSH_MS + 1);
  });

  it("shows the end of a reply at once", async () => {
    const { store } = createStore();
    await stream(store);
    for (const event of log.slice(before.length + deltas.length)) store.receiveEvent(event);
    expect(messagesOf(store.get()).at(-1)).toMatchObject({
      status: "complete",
      text: pieces.join(""),
    });
    expect(store.get().runs.get("run-1")?.state).toBe("finished");
  });

  it("asks once again from where it stands when something is missing", () => {
    const { store, resubscribe } = createStore();
    for (const event of [...log.slice(0, 4), ...log.slice(6)]) store.receiveEvent(event);
    store.flush();
    expect(resubscribe).toHaveBeenCalledTimes(1);
    for (const event of log.slice(4)) store.receiveEvent(event);
    store.flush();
    expect(messagesOf(store.get()).at(-1)?.text).toBe(pieces.join(""));
    expect(resubscribe).toHaveBeenCalledTimes(1);
  });

  it("goes on from its place in the same epoch and anew in another", () => {
    const { store } = createStore();
    expect(store.cursor("e1")).toEqual({ stream: STREAM });
    for (const event of log) store.receiveEvent(event);
    store.receiveLive(log.length, "e1");
    expect(store.cursor("e1")).toEqual({ stream: STREAM, after_seq: log.length });
    expect(store.cursor("e2")).toEqual({ stream: STREAM });
  });

  it("heals every hole, not only the first of a connection", () => {
    const { store, resubscribe } = createStore();
    resubscribe.mockImplementation(() => store.cursor("e1"));
    const events = eventsOf(turn(["a", "b", "c", "d"]), "run-1");
    const hear = (...seqs: number[]) => {
      for (const event of events) if (seqs.includes(event.seq)) store.receiveEvent(event);
      store.flush();
    };
    hear(1, 2, 4);
    hear(3, 4);
    store.receiveLive(4, "e1");
    hear(6);
    expect(resubscribe).toHaveBeenCalledTimes(2);
  });
});
