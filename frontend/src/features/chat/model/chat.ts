/** One open session: its stream, its outbox and what a founder can do in it. */
import { createContext, useCallback, useContext, useSyncExternalStore } from "react";

import { refusalText } from "@/shared/advice";
import { CommandError } from "@/shared/api/command-error";
import type { Command, FeedbackValue } from "@/shared/api/wire";
import type { Client } from "@/shared/client";
import { sessionPath } from "@/shared/navigation";
import { newRequestId } from "@/shared/request-id";
import { openSession } from "@/shared/start-session";
import { Store, useStore } from "@/shared/store";
import { shownOrder, withNewerPage, withoutPast, withPast } from "@/shared/streams/past";
import { type SessionState, withOlderPage } from "@/shared/streams/session-state";
import type { SessionStore } from "@/shared/streams/streams";
import { showToast } from "@/shared/ui/toasts";

import { Outbox } from "./outbox";
import { createRowSelector, type Row } from "./rows";

export type HistoryState = "idle" | "loading" | "failed" | "newer_failed";

export class Chat {
  readonly sessionId: string;
  readonly store: SessionStore;
  readonly outbox: Outbox;
  readonly history = new Store<HistoryState>("idle");
  /** Runs a founder has asked to stop and that have not ended yet. */
  readonly stopping = new Store<ReadonlySet<string>>(new Set());
  readonly #client: Client;
  readonly #selectRows = createRowSelector();

  constructor(sessionId: string, client: Client) {
    this.sessionId = sessionId;
    this.#client = client;
    this.store = client.streams.session(sessionId);
    this.outbox = new Outbox(sessionId, client.commands);
  }

  rows = (): readonly Row[] => this.#selectRows(this.store.get(), this.outbox.get());

  subscribe = (listener: () => void): (() => void) => {
    const leaves = [this.store.subscribe(listener), this.outbox.subscribe(listener)];
    return () => {
      for (const leave of leaves) leave();
    };
  };

  async loadOlder(): Promise<void> {
    const state = this.store.get();
    const { order, hasMore } = shownOrder(state);
    const first = state.messages.get(order[0] ?? "");
    if (!hasMore || first === undefined || this.history.get() === "loading") return;
    await this.#load("failed", async () => {
      const page = await this.#client.rest.messages(this.sessionId, first.seq);
      this.store.change((current) => withOlderPage(current, page));
    });
  }

  async loadNewer(): Promise<void> {
    const { past, messages } = this.store.get();
    const last = messages.get(past?.order.at(-1) ?? "");
    if (last === undefined || this.history.get() === "loading") return;
    await this.#load("newer_failed", async () => {
      const page = await this.#client.rest.messagesAround(this.sessionId, last.seq);
      this.store.change((current) => withNewerPage(current, page));
    });
  }

  /** Brings the message with that number into what is shown; gives its id. */
  async open(seq: number): Promise<string | null> {
    const known = messageAt(this.store.get(), seq);
    if (known !== null) return known;
    await this.#load("failed", async () => {
      const page = await this.#client.rest.messagesAround(this.sessionId, seq);
      this.store.change((current) => withPast(current, page));
    });
    return messageAt(this.store.get(), seq);
  }

  /** Shows the end of the talk again. */
  backToLatest(): void {
    this.store.change(withoutPast);
  }

  async #load(failure: HistoryState, ask: () => Promise<void>): Promise<void> {
    this.history.set("loading");
    try {
      await ask();
      this.history.set("idle");
    } catch {
      // Told beside the timeline, where it can be tried again.
      this.history.set(failure);
    }
  }

  stop(runId: string): void {
    this.stopping.set(new Set([...this.stopping.get(), runId]));
    void this.#command({ type: "run.cancel", run_id: runId, request_id: newRequestId() });
  }

  retry(runId: string): Promise<void> {
    return this.#command({ type: "run.retry", run_id: runId, request_id: newRequestId() });
  }

  /** Opens a session that begins as this one up to a message, said otherwise. */
  async branch(messageId: string, text: string, requestId: string): Promise<void> {
    const { session_id: sessionId } = await this.#client.commands.send({
      type: "session.branch",
      session_id: this.sessionId,
      message_id: messageId,
      request_id: requestId,
      text,
    });
    const isStillHere = location.pathname === sessionPath(this.sessionId);
    if (sessionId && isStillHere) openSession(sessionId);
  }

  rate(messageId: string, value: FeedbackValue): void {
    void this.#command({
      type: "message.feedback",
      message_id: messageId,
      request_id: newRequestId(),
      value,
    });
  }

  async #command(command: Command): Promise<void> {
    try {
      await this.#client.commands.send(command);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      showToast(refusalText(error));
      if (command.type !== "run.cancel") return;
      const left = [...this.stopping.get()].filter((runId) => runId !== command.run_id);
      this.stopping.set(new Set(left));
    }
  }
}

function messageAt(state: SessionState, seq: number): string | null {
  const isThere = (id: string) => state.messages.get(id)?.seq === seq;
  return shownOrder(state).order.find(isThere) ?? null;
}

export const ChatContext = createContext<Chat | null>(null);

export function useChat(): Chat {
  const chat = useContext(ChatContext);
  if (chat === null) throw new Error("no chat: render inside ChatContext");
  return chat;
}

/** A part of the session's state; choose parts that keep their identity. */
export function useSession<Part>(select: (state: SessionState) => Part): Part {
  return useStore(useChat().store, select);
}

export function useRows(): readonly Row[] {
  const chat = useChat();
  return useSyncExternalStore(chat.subscribe, chat.rows);
}

export function useMessage(messageId: string | null) {
  return useSession(
    useCallback((state) => state.messages.get(messageId ?? ""), [messageId]),
  );
}

export function useRun(runId: string) {
  return useSession(useCallback((state) => state.runs.get(runId), [runId]));
}
