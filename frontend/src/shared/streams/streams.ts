/** The streams the page follows, and the frames handed to each. */
import type { ServerFrame, SnapshotFrame, StreamCursor } from "../api/wire";
import type { Connection } from "../socket/connection";
import {
  emptyFounder,
  type FounderState,
  reduceFounder,
  withFounderSnapshot,
} from "./founder-state";
import { reduceSession } from "./session-reducer";
import { emptySession, type SessionState, withSnapshot } from "./session-state";
import { StreamStore } from "./stream-store";

export type SessionStore = StreamStore<SessionState>;
export type FounderStore = StreamStore<FounderState>;

/** Sessions left a moment ago stay followed, so that going back is instant. */
const KEPT_SESSIONS = 4;
const REFUSED_WAIT_MS = 2_000;

export class Streams {
  readonly founder: FounderStore;
  readonly #sessions = new Map<string, SessionStore>();
  #connection: Connection | null = null;
  #founderStream: string | null = null;
  #epoch: string | null = null;
  /** What the last hello asked for. */
  #greeted: ReadonlySet<string> = new Set();

  constructor() {
    this.founder = new StreamStore({
      stream: "founder",
      rules: {
        empty: emptyFounder,
        reduce: reduceFounder,
        withSnapshot: (state, frame) =>
          frame.kind === "founder" ? withFounderSnapshot(state, frame) : state,
      },
      resubscribe: (store) => this.#subscribe(store),
    });
  }

  attach(connection: Connection): void {
    this.#connection = connection;
  }

  /** Told when the founder is known; another founder has other sessions. */
  followFounder(stream: string): void {
    if (this.#founderStream !== null && this.#founderStream !== stream) {
      this.founder.change(() => emptyFounder);
      for (const store of this.#sessions.values()) store.change(() => emptySession);
    }
    this.#founderStream = stream;
  }

  session(sessionId: string): SessionStore {
    const stream = `session:${sessionId}`;
    const known = this.#sessions.get(stream);
    if (known !== undefined) {
      // The map's order is the order of use.
      this.#sessions.delete(stream);
      this.#sessions.set(stream, known);
      return known;
    }
    const store: SessionStore = new StreamStore({
      stream,
      rules: {
        empty: emptySession,
        reduce: reduceSession,
        withSnapshot: (state, frame) =>
          frame.kind === "session" ? withSnapshot(state, frame) : state,
      },
      resubscribe: (gapped) => this.#subscribe(gapped),
    });
    this.#sessions.set(stream, store);
    this.#forgetOldest();
    this.#subscribe(store);
    return store;
  }

  cursors(): { epoch: string | null; streams: StreamCursor[] } {
    const streams = [...this.#sessions.values()]
      .filter((store) => store.get().phase !== "gone")
      .map((store) => store.cursor(this.#epoch));
    if (this.#founderStream !== null) {
      const cursor = this.founder.cursor(this.#epoch);
      streams.unshift({ ...cursor, stream: this.#founderStream });
    }
    this.#greeted = new Set(streams.map((cursor) => cursor.stream));
    return { epoch: this.#epoch, streams };
  }

  receive(frame: ServerFrame): void {
    switch (frame.type) {
      case "welcome":
        this.#epoch = frame.epoch;
        this.#subscribeLate();
        return;
      case "ping":
      case "pong":
      case "ack":
        return;
      case "error":
        if (frame.stream) this.#refused(frame.stream, frame.retryable);
        return;
      case "snapshot":
        this.#storeOf(frame.stream)?.receiveSnapshot(frame satisfies SnapshotFrame);
        return;
      case "live":
        this.#storeOf(frame.stream)?.receiveLive(frame.seq, this.#epoch);
        return;
      case "stream.ended":
        this.#storeOf(frame.stream)?.end();
        return;
      default:
        this.#storeOf(frame.stream)?.receiveEvent(frame);
    }
  }

  #storeOf(stream: string): SessionStore | FounderStore | undefined {
    return stream === this.#founderStream ? this.founder : this.#sessions.get(stream);
  }

  #refused(stream: string, isRetryable: boolean): void {
    const store = this.#storeOf(stream);
    if (store === undefined) return;
    if (isRetryable) setTimeout(() => this.#subscribe(store), REFUSED_WAIT_MS);
    else store.end();
  }

  #subscribe(store: SessionStore | FounderStore): void {
    const name =
      (store as unknown) === this.founder ? this.#founderStream : store.stream;
    if (name === null) return;
    const cursor = { ...store.cursor(this.#epoch), stream: name };
    const epoch = this.#epoch === null ? {} : { epoch: this.#epoch };
    this.#connection?.send({ type: "subscribe", streams: [cursor], ...epoch });
  }

  /** A session opened after the hello could not be asked for until now. */
  #subscribeLate(): void {
    for (const store of this.#sessions.values()) {
      const isAsked = this.#greeted.has(store.stream) || store.get().phase === "gone";
      if (!isAsked) this.#subscribe(store);
    }
  }

  #forgetOldest(): void {
    const [oldest] = this.#sessions.values();
    // Browsers grant a page few HTTP connections at a time.
    const kept = this.#connection?.isEventStreams ? 1 : KEPT_SESSIONS;
    if (oldest === undefined || this.#sessions.size <= kept) return;
    this.#sessions.delete(oldest.stream);
    oldest.close();
    this.#connection?.send({ type: "unsubscribe", streams: [oldest.stream] });
  }
}
