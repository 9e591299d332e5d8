/** One open session: its stream, its outbox and what a founder can do in it. */
import { createContext, useCallback, useContext, useSyncExternalStore } from "react";

import { refusalText } from "@/shared/advice";
import { CommandError } from "@/shared/api/command-error";
import type { Command, FeedbackValue } from "@/shared/api/wire";
import type { Client } from "@/shared/client";
import { newRequestId } from "@/shared/request-id";
import { Store, useStore } from "@/shared/store";
import { type SessionState, withOlderPage } from "@/shared/streams/session-state";
import type { SessionStore } from "@/shared/streams/streams";
import { showToast } from "@/shared/ui/toasts";

import { Outbox } from "./outbox";
import { createRowSelector, type Row } from "./rows";

export type HistoryState = "idle" | "loading" | "failed";

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
    const first = state.messages.get(state.order[0] ?? "");
    if (!state.hasMore || first === undefined || this.history.get() === "loading") return;
    this.history.set("loading");
    try {
      const page = await this.#client.rest.messages(this.sessionId, first.seq);
      this.store.change((current) => withOlderPage(current, page));
      this.history.set("idle");
    } catch {
      // Told beside the timeline, where it can be tried again.
      this.history.set("failed");
    }
  }

  stop(runId: string): void {
    this.stopping.set(new Set([...this.stopping.get(), runId]));
    void this.#command({ type: "run.cancel", run_id: runId, request_id: newRequestId() });
  }

  retry(runId: string): Promise<void> {
    return this.#command({ type: "run.retry", run_id: runId, request_id: newRequestId() });
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
