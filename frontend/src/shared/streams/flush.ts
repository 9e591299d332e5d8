/** Gathers work and does it at most twenty times a second. */

export const FLUSH_MS = 50;
export const HIDDEN_FLUSH_MS = 250;

export class FlushTimer {
  readonly #flush: () => void;
  readonly #isHidden: () => boolean;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lastFlushAt = 0;

  constructor(
    flush: () => void,
    isHidden = () => document.visibilityState === "hidden",
  ) {
    this.#flush = flush;
    this.#isHidden = isHidden;
  }

  /** Flushes within the interval; `isUrgent` does so now. */
  request(isUrgent: boolean): void {
    if (isUrgent) {
      this.#run();
      return;
    }
    if (this.#timer !== undefined) return;
    const interval = this.#isHidden() ? HIDDEN_FLUSH_MS : FLUSH_MS;
    const wait = Math.max(0, this.#lastFlushAt + interval - Date.now());
    this.#timer = setTimeout(() => this.#run(), Math.min(wait, interval));
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #run(): void {
    this.stop();
    this.#lastFlushAt = Date.now();
    this.#flush();
  }
}
