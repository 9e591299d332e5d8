/** One followed stream: its state, its place in the log, its rhythm. */
import type { ServerFrame, SnapshotFrame, StreamCursor, StreamEvent } from "../api/wire";
import { Store } from "../store";
import { FlushTimer } from "./flush";
import type { Reduced } from "./session-reducer";
import type { StreamPhase } from "./session-state";

interface StreamState {
  phase: StreamPhase;
  seq: number;
  epoch: string | null;
}

export interface StreamRules<State extends StreamState> {
  empty: State;
  reduce: (state: State, batch: readonly StreamEvent[]) => Reduced<State>;
  withSnapshot: (state: State, frame: SnapshotFrame) => State;
}

const TERMINAL = new Set<ServerFrame["type"]>([
  "run.finished",
  "run.failed",
  "run.cancelled",
  "message.finished",
  "message.accepted",
]);

export class StreamStore<State extends StreamState> extends Store<State> {
  readonly stream: string;
  /** How often the state changed: what a reader had to look at. */
  flushes = 0;
  readonly #rules: StreamRules<State>;
  readonly #timer: FlushTimer;
  readonly #resubscribe: () => void;
  #batch: StreamEvent[] = [];
  #isResubscribing = false;

  constructor(options: {
    stream: string;
    rules: StreamRules<State>;
    resubscribe: (store: StreamStore<State>) => void;
    isHidden?: () => boolean;
  }) {
    super(options.rules.empty);
    this.stream = options.stream;
    this.#rules = options.rules;
    this.#timer = new FlushTimer(() => this.flush(), options.isHidden);
    this.#resubscribe = () => options.resubscribe(this);
  }

  /** Where to go on; from a snapshot when what is known is of another epoch. */
  cursor(epoch: string | null): StreamCursor {
    this.flush();
    this.#isResubscribing = false;
    const state = this.get();
    const isKnown = state.phase !== "loading" && state.epoch === epoch && epoch !== null;
    return isKnown
      ? { stream: this.stream, after_seq: state.seq }
      : { stream: this.stream };
  }

  receiveEvent(event: StreamEvent): void {
    this.#batch.push(event);
    this.#timer.request(TERMINAL.has(event.type));
  }

  receiveSnapshot(frame: SnapshotFrame): void {
    this.flush();
    this.#isResubscribing = false;
    this.set(this.#rules.withSnapshot(this.get(), frame));
  }

  /** The log up to `seq` was sent; `epoch` is the gateway's. */
  receiveLive(seq: number, epoch: string | null): void {
    this.flush();
    if (this.get().seq < seq) {
      this.#askAgain();
      return;
    }
    this.#isResubscribing = false;
    this.set({ ...this.get(), phase: "live", epoch });
  }

  end(): void {
    this.flush();
    this.set({ ...this.get(), phase: "gone" });
  }

  /** Changes the state by something that is not in the log. */
  change(change: (state: State) => State): void {
    this.flush();
    this.set(change(this.get()));
  }

  flush(): void {
    this.#timer.stop();
    if (this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    const { state, isGap } = this.#rules.reduce(this.get(), batch);
    if (state !== this.get()) {
      this.flushes += 1;
      this.set(state);
    }
    if (isGap) this.#askAgain();
  }

  close(): void {
    this.#timer.stop();
    this.#batch = [];
  }

  #askAgain(): void {
    if (this.#isResubscribing) return;
    this.#resubscribe();
    this.#isResubscribing = true;
  }
}
