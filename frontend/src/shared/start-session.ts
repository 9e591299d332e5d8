/**
 * Begins sessions: one at a time, each once.
 *
 * What was asked for is kept under its `request_id` until the gateway has
 * answered. Going away, coming back, a reload and a second tab find the same
 * beginning under way instead of making another.
 */
import { CommandError } from "./api/command-error";
import { navigate, sessionPath } from "./navigation";
import { newRequestId } from "./request-id";
import type { Commands } from "./socket/commands";
import { readStored, writeStored } from "./storage";
import { Store } from "./store";

/** A session asked for and not yet there. */
export interface Beginning {
  requestId: string;
  /** What the founder opens with; null lets the coach speak first. */
  text: string | null;
  /** The id under which the first message is sent. */
  messageRequestId: string;
}

interface SessionStartsOptions {
  commands: Commands;
  /** Sends the founder's first message in the session that has begun. */
  sendFirst: (sessionId: string, text: string, requestId: string) => void;
}

const KEY = "vb.beginning";

export class SessionStarts extends Store<Beginning | null> {
  readonly #options: SessionStartsOptions;

  constructor(options: SessionStartsOptions) {
    super(readStored(KEY, isBeginning));
    this.#options = options;
  }

  /** Goes on with what was begun before the page was loaded. */
  resume(): void {
    const beginning = this.get();
    if (beginning === null) return;
    this.#carryOut(beginning).catch((error: unknown) => {
      // Refused, and nobody is waiting for it: the draft still has the words.
      if (!(error instanceof CommandError)) throw error;
    });
  }

  /** Resolves in the new session; throws `CommandError` when it was refused. */
  async begin(text: string | null): Promise<void> {
    if (this.get() !== null) return;
    const beginning = {
      requestId: newRequestId(),
      text,
      messageRequestId: newRequestId(),
    };
    this.#keep(beginning);
    await this.#carryOut(beginning);
  }

  async #carryOut({ requestId, text, messageRequestId }: Beginning): Promise<void> {
    const begunAt = location.pathname;
    try {
      const { session_id: sessionId } = await this.#options.commands.send({
        type: "session.create",
        request_id: requestId,
        opening: text === null,
      });
      if (!sessionId) throw new Error("the gateway named no session");
      if (text !== null) this.#options.sendFirst(sessionId, text, messageRequestId);
      // Who went elsewhere meanwhile finds it in the list.
      if (location.pathname === begunAt) openSession(sessionId);
    } finally {
      this.#keep(null);
    }
  }

  #keep(beginning: Beginning | null): void {
    writeStored(KEY, beginning);
    this.set(beginning);
  }
}

export function openSession(sessionId: string): void {
  navigate(sessionPath(sessionId));
}

function isBeginning(value: unknown): value is Beginning {
  if (typeof value !== "object" || value === null) return false;
  const { requestId, text, messageRequestId } = value as Partial<Beginning>;
  return (
    typeof requestId === "string" &&
    typeof messageRequestId === "string" &&
    (text === null || typeof text === "string")
  );
}
