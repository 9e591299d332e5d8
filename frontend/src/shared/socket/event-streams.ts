/**
 * The gateway's frames without a socket: one HTTP response per stream.
 *
 * Speaks like a `WebSocket` of the subprotocol, so that whoever uses one needs
 * not know. Commands go by HTTP and are answered with the frame of the socket.
 */
import { CommandError } from "../api/command-error";
import type { Rest } from "../api/rest";
import type { ClientFrame, Command, ServerFrame, StreamCursor } from "../api/wire";
import { CloseCode } from "./close-codes";
import { blocksOf } from "./sse";

const LOST = 1006;
const HEARTBEAT_S = 15;
/** Why a stream ended, as a socket would have said it. */
const CODE_OF_END: Record<string, number> = { draining: CloseCode.DRAINING };
const CODE_OF_STATUS: Record<number, number> = {
  401: CloseCode.NO_FOUNDER,
  429: CloseCode.TOO_MANY_SOCKETS,
};

export class EventStreams extends EventTarget {
  readyState: number = WebSocket.OPEN;
  readonly #rest: Rest;
  readonly #followed = new Map<string, AbortController>();
  #epoch: string | null = null;
  #isWelcome = false;

  constructor(rest: Rest) {
    super();
    this.#rest = rest;
    // Later, as a socket would: nobody listens yet.
    setTimeout(() => this.dispatchEvent(new Event("open")));
  }

  send(text: string): void {
    const frame = JSON.parse(text) as ClientFrame;
    switch (frame.type) {
      case "hello":
      case "subscribe":
        this.#epoch = frame.epoch ?? this.#epoch;
        for (const cursor of frame.streams ?? []) void this.#follow(cursor);
        return;
      case "unsubscribe":
        for (const stream of frame.streams) this.#unfollow(stream);
        return;
      case "ping":
        void this.#answerPing();
        return;
      case "pong":
        return;
      default:
        void this.#carryOut(frame);
    }
  }

  close(code = 1000): void {
    if (this.readyState === WebSocket.CLOSED) return;
    this.readyState = WebSocket.CLOSED;
    for (const stream of this.#followed.keys()) this.#unfollow(stream);
    this.dispatchEvent(new CloseEvent("close", { code }));
  }

  async #follow(cursor: StreamCursor): Promise<void> {
    this.#unfollow(cursor.stream);
    const abort = new AbortController();
    this.#followed.set(cursor.stream, abort);
    try {
      const body = await this.#rest.live(cursor, this.#epoch, abort.signal);
      await this.#read(cursor.stream, body);
      if (!abort.signal.aborted) this.close(LOST);
    } catch (error) {
      if (abort.signal.aborted) return;
      if (error instanceof CommandError && error.status === 404) {
        this.#tellRefusal(error, { stream: cursor.stream });
      } else {
        const status = error instanceof CommandError ? error.status : null;
        this.close(CODE_OF_STATUS[status ?? 0] ?? LOST);
      }
    }
  }

  async #read(stream: string, body: ReadableStream<Uint8Array>): Promise<void> {
    for await (const block of blocksOf(body)) {
      if (block.data === null) {
        // A heartbeat: all that matters is that something was heard.
        this.#tell({ type: "pong" });
      } else if (block.event === "end") {
        const { reason } = JSON.parse(block.data) as { reason: string };
        if (reason !== "deleted") return this.close(CODE_OF_END[reason] ?? LOST);
        this.#followed.get(stream)?.abort();
        this.#tell({ type: "stream.ended", stream, reason: "deleted" });
        return;
      } else {
        this.#welcome(block.id);
        this.#tell(JSON.parse(block.data) as ServerFrame);
      }
    }
  }

  /** Said once, when the first id tells the epoch. */
  #welcome(id: string | null): void {
    if (this.#isWelcome || id === null) return;
    this.#isWelcome = true;
    const epoch = id.slice(0, id.lastIndexOf(":"));
    this.#tell({ type: "welcome", epoch, heartbeat_s: HEARTBEAT_S });
  }

  #unfollow(stream: string): void {
    this.#followed.get(stream)?.abort();
    this.#followed.delete(stream);
  }

  async #answerPing(): Promise<void> {
    try {
      await this.#rest.reach();
      this.#tell({ type: "pong" });
    } catch {
      // Silence says it: whoever pinged gives up.
    }
  }

  async #carryOut(command: Command): Promise<void> {
    const { request_id } = command;
    try {
      const result = await this.#rest.command(command);
      const nothing = { session_id: null, message_id: null, run_id: null, position: null };
      this.#tell({ type: "ack", ...nothing, seq: 0, ...result, request_id });
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      // Without an answer it is sent again, as over a socket.
      if (!error.isUnreachable) this.#tellRefusal(error, { request_id });
    }
  }

  #tellRefusal(
    error: CommandError,
    whose: { stream: string } | { request_id: string },
  ): void {
    this.#tell({
      type: "error",
      request_id: null,
      stream: null,
      code: error.code,
      detail: error.message,
      retryable: error.isRetryable,
      retry_after_ms: error.retryAfterMs,
      ...whose,
    });
  }

  #tell(frame: ServerFrame): void {
    if (this.readyState === WebSocket.CLOSED) return;
    this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(frame) }));
  }
}
