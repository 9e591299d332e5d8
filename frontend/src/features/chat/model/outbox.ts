/**
 * What a founder wrote in one session and the gateway has not confirmed.
 *
 * The draft and the messages under way are kept in the browser until the
 * gateway's ack, so that neither a reload nor a lost connection costs a word.
 * A message is sent again under its first `request_id`: it arrives once.
 */
import { CommandError } from "@/shared/api/command-error";
import type { Client } from "@/shared/client";
import { newRequestId } from "@/shared/request-id";
import type { Commands } from "@/shared/socket/commands";
import { readStored, writeStored } from "@/shared/storage";
import { Store } from "@/shared/store";

import { Draft } from "./draft";
import { sendableText } from "./message-text";

export interface OutgoingMessage {
  requestId: string;
  text: string;
  state: "pending" | "sent" | "failed";
  error: CommandError | null;
  createdAt: string;
}

export interface OutboxState {
  draft: string;
  messages: readonly OutgoingMessage[];
}

interface KeptMessage {
  requestId: string;
  text: string;
  createdAt: string;
  refusal?: { code: string; detail: string; retryable: boolean };
}


export class Outbox extends Store<OutboxState> {
  readonly #sessionId: string;
  readonly #commands: Commands;
  readonly #draft: Draft;
  /** Every message this tab has had; others in the browser are another tab's. */
  readonly #ownIds = new Set<string>();

  constructor(sessionId: string, commands: Commands) {
    const kept = readStored(keyOf(sessionId), areKept) ?? [];
    const draft = new Draft(sessionId);
    super({ draft: draft.takeOver(), messages: kept.map(restored) });
    this.#draft = draft;
    this.#sessionId = sessionId;
    this.#commands = commands;
    for (const { state, requestId } of this.get().messages) {
      this.#ownIds.add(requestId);
      if (state === "pending") void this.#deliver(requestId);
    }
  }

  setDraft(draft: string): void {
    this.#change({ ...this.get(), draft });
  }

  /** Takes the draft's place in the talk at once; it is sent meanwhile. */
  send(text: string): void {
    this.#add("", text, newRequestId());
  }

  /** Sends what is written on a suggested reply; the draft stays. */
  sendBeside(text: string, requestId = newRequestId()): void {
    this.#add(this.get().draft, text, requestId);
  }

  retry(requestId: string): void {
    this.#changeMessage(requestId, { state: "pending", error: null });
    void this.#deliver(requestId);
  }

  /** Gives a message that was not sent back to the founder's hands. */
  takeBack(requestId: string): void {
    const { draft, messages } = this.get();
    const taken = messages.find((message) => message.requestId === requestId);
    if (taken === undefined) return;
    this.#change({
      draft: [taken.text, draft].filter(Boolean).join("\n\n"),
      messages: messages.filter((message) => message !== taken),
    });
  }

  #add(draft: string, text: string, requestId: string): void {
    const { messages } = this.get();
    if (messages.some((known) => known.requestId === requestId)) return;
    this.#ownIds.add(requestId);
    const createdAt = new Date().toISOString();
    const message = { requestId, text, createdAt, state: "pending", error: null } as const;
    this.#change({ draft, messages: [...messages, message] });
    void this.#deliver(requestId);
  }

  async #deliver(requestId: string): Promise<void> {
    const message = this.get().messages.find((known) => known.requestId === requestId);
    if (message === undefined) return;
    try {
      await this.#commands.send({
        type: "message.send",
        session_id: this.#sessionId,
        request_id: requestId,
        text: message.text,
      });
      this.#changeMessage(requestId, { state: "sent" });
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      this.#changeMessage(requestId, { state: "failed", error });
    }
  }

  /** Forgets what was sent and has come back in the session's stream. */
  settle(acceptedRequestIds: ReadonlySet<string>): void {
    const { messages } = this.get();
    const left = messages.filter(
      (message) => message.state !== "sent" || !acceptedRequestIds.has(message.requestId),
    );
    if (left.length < messages.length) this.#change({ ...this.get(), messages: left });
  }

  #changeMessage(requestId: string, change: Partial<OutgoingMessage>): void {
    const state = this.get();
    const messages = state.messages.map((message) =>
      message.requestId === requestId ? { ...message, ...change } : message,
    );
    this.#change({ ...state, messages });
  }

  #change(state: OutboxState): void {
    const isDraftChanged = state.draft !== this.get().draft;
    this.set(state);
    const key = keyOf(this.#sessionId);
    const others = (readStored(key, areKept) ?? []).filter(
      ({ requestId }) => !this.#ownIds.has(requestId),
    );
    const own = state.messages.filter((message) => message.state !== "sent");
    const messages = [...others, ...own.map(keptMessage)];
    writeStored(key, messages.length === 0 ? null : messages);
    // Last: until the message is kept, its draft is.
    if (isDraftChanged) this.#draft.keep(state.draft);
  }
}

/** Sends a session's first message, whether or not the session is ever opened. */
export function sendFirst(
  { commands }: Client,
  sessionId: string,
  text: string,
  requestId: string,
): void {
  new Outbox(sessionId, commands).sendBeside(text, requestId);
  new Draft("home").forget((draft) => sendableText(draft) === text);
}

function restored({ refusal, ...message }: KeptMessage): OutgoingMessage {
  const error = refusal ? new CommandError(refusal) : null;
  return { ...message, state: error ? "failed" : "pending", error };
}

function keptMessage({ requestId, text, createdAt, error }: OutgoingMessage): KeptMessage {
  const message = { requestId, text, createdAt };
  if (error === null) return message;
  const { code, message: detail, isRetryable } = error;
  return { ...message, refusal: { code, detail, retryable: isRetryable } };
}

function keyOf(sessionId: string): string {
  return `vb.outbox.${sessionId}`;
}

function areKept(value: unknown): value is KeptMessage[] {
  return (
    Array.isArray(value) &&
    value.every(
      (message: Partial<KeptMessage> | null) =>
        typeof message?.requestId === "string" &&
        typeof message.text === "string" &&
        typeof message.createdAt === "string",
    )
  );
}
