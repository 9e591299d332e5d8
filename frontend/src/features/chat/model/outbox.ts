/**
 * What a founder wrote in one session and the gateway has not confirmed.
 *
 * The draft and the messages under way are kept in the browser until the
 * gateway's ack, so that neither a reload nor a lost connection costs a word.
 * A message is sent again under its first `request_id`: it arrives once.
 */
import { CommandError } from "@/shared/api/command-error";
import { newRequestId } from "@/shared/request-id";
import type { Commands } from "@/shared/socket/commands";
import { readStored, writeStored } from "@/shared/storage";
import { Store } from "@/shared/store";

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

interface Kept {
  draft: string;
  messages: KeptMessage[];
}

export class Outbox extends Store<OutboxState> {
  readonly #sessionId: string;
  readonly #commands: Commands;
  /** Every message this tab has had; others in the browser are another tab's. */
  readonly #ownIds = new Set<string>();

  constructor(sessionId: string, commands: Commands) {
    const kept = readStored(keyOf(sessionId), isKept);
    super({
      draft: kept?.draft ?? "",
      messages: (kept?.messages ?? []).map(restored),
    });
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
    const message = this.#composed(text);
    this.#change({ draft: "", messages: [...this.get().messages, message] });
    void this.#deliver(message.requestId);
  }

  /** Leaves a first message for whoever opens the session next. */
  keepToSend(text: string): void {
    this.#change({ ...this.get(), messages: [this.#composed(text)] });
  }

  /** Sends what is written on a suggested reply; the draft stays. */
  sendBeside(text: string): void {
    const { draft } = this.get();
    this.send(text);
    this.setDraft(draft);
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

  #composed(text: string): OutgoingMessage {
    const requestId = newRequestId();
    this.#ownIds.add(requestId);
    const createdAt = new Date().toISOString();
    return { requestId, text, createdAt, state: "pending", error: null };
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
    const kept = readStored(key, isKept) ?? { draft: "", messages: [] };
    const others = kept.messages.filter(({ requestId }) => !this.#ownIds.has(requestId));
    const own = state.messages.filter((message) => message.state !== "sent");
    const messages = [...others, ...own.map(keptMessage)];
    const draft = isDraftChanged ? state.draft : kept.draft;
    const isEmpty = draft === "" && messages.length === 0;
    writeStored(key, isEmpty ? null : ({ draft, messages } satisfies Kept));
  }
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

function isKept(value: unknown): value is Kept {
  if (typeof value !== "object" || value === null) return false;
  const { draft, messages } = value as Partial<Kept>;
  return (
    typeof draft === "string" &&
    Array.isArray(messages) &&
    messages.every(
      (message) =>
        typeof message?.requestId === "string" &&
        typeof message.text === "string" &&
        typeof message.createdAt === "string",
    )
  );
}
