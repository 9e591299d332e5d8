/** When a followed stream changes, asks again, and stops. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { eventsOf, STREAM, turn } from "@/test/events";

import type { SnapshotFrame, StreamEvent } from "../api/wire";
import { FLUSH_MS } from "./flush";
import { reduceSession } from "./session-reducer";
import { emptySession, type SessionState, withSnapshot } from "./session-state";
import { StreamStore } from "./stream-store";

const log = eventsOf(turn(["a", "b"]), "run-1");

function createStore() {
  const resubscribe = vi.fn<() => void>();
  const changed = vi.fn<() => void>();
  const batches: StreamEvent[][] = [];
  const store = new StreamStore<SessionState>({
    stream: STREAM,
    rules: {
      empty: emptySession,
      reduce: (state, batch) => {
        batches.push([...batch]);
        return reduceSession(state, batch);
      },
      withSnapshot: (state, frame) =>
        frame.kind === "session" ? withSnapshot(state, frame) : state,
    },
    resubscribe,
    isHidden: () => false,
  });
  store.subscribe(changed);
  const hear = (...seqs: number[]) => {
    for (const event of log) if (seqs.includes(event.seq)) store.receiveEvent(event);
  };
  return { store, resubscribe, changed, batches, hear };
}

const snapshot = (seq: number) =>
  ({
    type: "snapshot",
    kind: "session",
    stream: STREAM,
    seq,
    epoch: "e1",
    data: { session: null, messages: [], has_more: false, runs: [] },
  }) as unknown as SnapshotFrame;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("a followed stream", () => {
  it("gathers what can wait and gives each event to the rules once", () => {
    const { store, batches, hear } = createStore();
    hear(1);
    hear(2, 3);
    expect(batches).toEqual([[log[0]]]);
    vi.advanceTimersByTime(FLUSH_MS);
    expect(batches).toEqual([[log[0]], [log[1], log[2]]]);
    store.flush();
    expect(batches).toHaveLength(2);
    expect(store.flushes).toBe(2);
  });

  it.each(["message.accepted", "message.finished", "run.finished", "run.failed", "run.cancelled"])(
    "shows %s at once",
    (type) => {
      const { store } = createStore();
      store.receiveEvent({ ...log[0], type, data: {} } as unknown as StreamEvent);
      expect(store.get().seq).toBe(1);
    },
  );

  it("tells nobody when nothing changed", () => {
    const { store, changed, hear } = createStore();
    hear(1);
    changed.mockClear();
    hear(1);
    expect(changed).not.toHaveBeenCalled();
    expect(store.flushes).toBe(1);
  });

  it("is live once it has all the gateway sent", () => {
    const { store, resubscribe, hear } = createStore();
    hear(1, 2);
    store.receiveLive(2, "e1");
    expect(store.get()).toMatchObject({ phase: "live", seq: 2, epoch: "e1" });
    expect(resubscribe).not.toHaveBeenCalled();
  });

  it("asks once when the gateway sent more than came", () => {
    const { store, resubscribe, hear } = createStore();
    hear(1);
    store.receiveLive(2, "e1");
    store.receiveLive(2, "e1");
    expect(store.get().phase).toBe("loading");
    expect(resubscribe).toHaveBeenCalledTimes(1);
  });

  it.each([
    ["a snapshot", (store: StreamStore<SessionState>) => store.receiveSnapshot(snapshot(1))],
    ["being live", (store: StreamStore<SessionState>) => store.receiveLive(1, "e1")],
    ["a new subscription", (store: StreamStore<SessionState>) => store.cursor("e1")],
  ])("asks again after %s answered the first question", (_name, answer) => {
    const { store, resubscribe, hear } = createStore();
    hear(1, 3);
    store.flush();
    answer(store);
    hear(5);
    store.flush();
    expect(resubscribe).toHaveBeenCalledTimes(2);
  });

  it("takes a snapshot after what came before it", () => {
    const { store, batches, hear } = createStore();
    hear(1, 2);
    store.receiveSnapshot(snapshot(5));
    expect(batches.flat()).toHaveLength(2);
    expect(store.get()).toMatchObject({ phase: "replaying", seq: 5, epoch: "e1" });
  });

  it("goes on from its place only when there is one, of this epoch", () => {
    const { store } = createStore();
    const anew = { stream: STREAM };
    expect(store.cursor(null)).toEqual(anew);
    store.change((state) => ({ ...state, epoch: "e1" }));
    expect(store.cursor("e1")).toEqual(anew);
    store.receiveLive(0, null);
    expect(store.cursor(null)).toEqual(anew);
    store.receiveLive(0, "e1");
    expect(store.cursor("e1")).toEqual({ stream: STREAM, after_seq: 0 });
  });

  it("counts what is gathered before it says where it stands", () => {
    const { store, hear } = createStore();
    store.receiveLive(0, "e1");
    hear(1, 2, 3);
    expect(store.cursor("e1")).toEqual({ stream: STREAM, after_seq: 3 });
  });

  it("is gone when it ended, with all that came", () => {
    const { store, hear } = createStore();
    hear(1, 2);
    store.end();
    expect(store.get()).toMatchObject({ phase: "gone", seq: 2 });
  });

  it("changes by what is in no log after what came", () => {
    const { store, hear } = createStore();
    hear(1, 2);
    store.change((state) => ({ ...state, hasMore: state.seq === 2 }));
    expect(store.get().hasMore).toBe(true);
  });

  it("forgets what was gathered when it is closed", () => {
    const { store, batches, hear } = createStore();
    hear(2);
    store.close();
    vi.advanceTimersByTime(1_000);
    store.flush();
    expect(batches).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });
});
