/**
 * Commands that must arrive once, by whichever way is open.
 *
 * A command goes by the socket. Without one, or without an answer in time, it
 * goes by HTTP under the same `request_id`, which the gateway carries out once.
 * When nobody answers at all it waits and is sent again with the next socket.
 */
import { CommandError } from "../api/command-error";
import type { Rest } from "../api/rest";
import type { Command, CommandResult, ServerFrame } from "../api/wire";
import type { Connection } from "./connection";

interface Pending {
  command: Command;
  promise: Promise<CommandResult>;
  resolve: (result: CommandResult) => void;
  reject: (error: CommandError) => void;
  timer?: ReturnType<typeof setTimeout>;
}

/** A socket usually returns sooner than this; then HTTP is tried. */
const WAIT_FOR_SOCKET_MS = 1_500;
const WAIT_FOR_ANSWER_MS = 8_000;
const TRY_AGAIN_MS = 4_000;

/** What a proxy says of a gateway that is away, and a gateway that is leaving. */
const AWAY_CODES = new Set(["http_502", "http_503", "http_504", "draining"]);

export class Commands {
  readonly #connection: Connection;
  readonly #rest: Rest;
  readonly #pending = new Map<string, Pending>();

  constructor(connection: Connection, rest: Rest) {
    this.#connection = connection;
    this.#rest = rest;
    connection.status.subscribe(() => {
      if (connection.status.get().state === "live") this.#sendAll();
    });
  }

  /** Resolves when carried out, rejects with `CommandError` when refused. */
  send(command: Command): Promise<CommandResult> {
    const known = this.#pending.get(command.request_id);
    if (known !== undefined) return known.promise;
    const pending = createPending(command);
    this.#pending.set(command.request_id, pending);
    this.#dispatch(pending);
    return pending.promise;
  }

  /** Takes the answers out of what the gateway says. */
  receive(frame: ServerFrame): void {
    if (frame.type === "ack") this.#settle(frame.request_id)?.resolve(frame);
    if (frame.type !== "error" || !frame.request_id) return;
    this.#settle(frame.request_id)?.reject(
      new CommandError({
        code: frame.code,
        detail: frame.detail,
        retryable: frame.retryable,
        retryAfterMs: frame.retry_after_ms ?? null,
      }),
    );
  }

  #sendAll(): void {
    for (const pending of this.#pending.values()) this.#dispatch(pending);
  }

  #dispatch(pending: Pending): void {
    clearTimeout(pending.timer);
    const isSent = this.#connection.send(pending.command);
    pending.timer = setTimeout(
      () => void this.#sendByHttp(pending),
      isSent ? WAIT_FOR_ANSWER_MS : WAIT_FOR_SOCKET_MS,
    );
  }

  async #sendByHttp(pending: Pending): Promise<void> {
    const requestId = pending.command.request_id;
    try {
      const result = await this.#rest.command(pending.command);
      this.#settle(requestId)?.resolve(result);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      if (isAnswer(error)) this.#settle(requestId)?.reject(error);
      else this.#tryAgainLater(pending);
    }
  }

  #tryAgainLater(pending: Pending): void {
    if (!this.#pending.has(pending.command.request_id)) return;
    pending.timer = setTimeout(() => this.#dispatch(pending), TRY_AGAIN_MS);
  }

  #settle(requestId: string): Pending | undefined {
    const pending = this.#pending.get(requestId);
    if (pending === undefined) return undefined;
    clearTimeout(pending.timer);
    this.#pending.delete(requestId);
    return pending;
  }
}

function createPending(command: Command): Pending {
  let settle: Pick<Pending, "resolve" | "reject"> | undefined;
  const promise = new Promise<CommandResult>((resolve, reject) => {
    settle = { resolve, reject };
  });
  if (settle === undefined) throw new Error("a promise runs its executor at once");
  return { command, promise, ...settle };
}

/** Whether the gateway itself refused, rather than being away or on its way out. */
function isAnswer(error: CommandError): boolean {
  return !error.isUnreachable && !AWAY_CODES.has(error.code);
}
