/**
 * A gateway in the page's own process: streams, commands and the HTTP it needs.
 *
 * It keeps what it is told in logs, as the real one does, and leaves the coach to
 * the test: `reply`, `fail` and the like tell what a run comes to.
 */
import type { Command, ServerFrame, SessionView, StreamEvent } from "@/shared/api/wire";

import { FakeSocket } from "./fake-socket";

const FOUNDER = "00000000-0000-4000-8000-0000000000aa";
const FOUNDER_STREAM = `founder:${FOUNDER}`;
const EPOCH = "fake";

type Body = { type: string; data: unknown };

interface Session {
  view: SessionView;
  log: StreamEvent[];
}

/** A socket that hands over to the gateway what the page sends. */
class GatewaySocket extends FakeSocket {
  constructor(readonly gateway: FakeGateway) {
    super();
    setTimeout(() => this.open(), 0);
  }

  override send(text: string): void {
    super.send(text);
    this.gateway.hear(this, JSON.parse(text) as never);
  }
}

export class FakeGateway {
  readonly sessions = new Map<string, Session>();
  readonly asked: string[] = [];
  /** What the next commands of a type are refused with. */
  readonly refusals = new Map<string, { code: string; retryable: boolean }>();
  /** What a command led to: the same `request_id` gives it again. */
  readonly #results = new Map<string, object>();
  readonly #founderLog: StreamEvent[] = [];
  #sockets: FakeSocket[] = [];
  #count = 0;

  /** Stands in for `WebSocket` and `fetch`. */
  get globals(): { WebSocket: unknown; fetch: typeof fetch } {
    const open = () => {
      const socket = new GatewaySocket(this);
      this.#sockets.push(socket);
      return socket;
    };
    const states = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 };
    // oxlint-disable-next-line unicorn/consistent-function-scoping -- called with `new`
    const FakeWebSocket = function FakeWebSocket(): FakeSocket {
      return open();
    };
    return {
      WebSocket: Object.assign(FakeWebSocket, states),
      fetch: (input) => Promise.resolve(this.#answer(String(input))),
    };
  }

  hear(socket: FakeSocket, frame: Command | { type: string; streams?: { stream: string }[] }): void {
    if ("request_id" in frame) {
      this.#carryOut(socket, frame);
      return;
    }
    if (frame.type === "hello") {
      socket.receive({ type: "welcome", epoch: EPOCH, heartbeat_s: 15 });
    }
    if (frame.type !== "hello" && frame.type !== "subscribe") return;
    const streams = "streams" in frame ? (frame.streams ?? []) : [];
    for (const { stream } of streams) this.#bring(socket, stream);
  }

  drop(code = 1006): void {
    for (const socket of this.#sockets.splice(0)) socket.drop(code);
  }

  /** Appends to a session's log and tells whoever is connected. */
  tell(sessionId: string, runId: string | null, ...bodies: readonly Body[]): void {
    const session = this.sessions.get(sessionId);
    if (session === undefined) throw new Error(`no session ${sessionId}`);
    this.#append(session.log, session.view.stream, runId, bodies);
  }

  createSession(title = ""): string {
    const sessionId = this.#id();
    const now = new Date().toISOString();
    const view = {
      session_id: sessionId,
      title,
      archived: false,
      pinned: false,
      created_at: now,
      updated_at: now,
      stream: `session:${sessionId}`,
      last_seq: 0,
    } as SessionView;
    this.sessions.set(sessionId, { view, log: [] });
    const created = { type: "session.created", data: { session: view } };
    this.#append(this.#founderLog, FOUNDER_STREAM, null, [created]);
    this.tell(sessionId, null, created);
    return sessionId;
  }

  #carryOut(socket: FakeSocket, command: Command): void {
    const refusal = this.refusals.get(command.type);
    if (refusal !== undefined) {
      this.refusals.delete(command.type);
      const { request_id } = command;
      socket.receive({ type: "error", request_id, stream: null, detail: "", retry_after_ms: null, ...refusal });
      return;
    }
    const result = this.#results.get(command.request_id) ?? this.#resultOf(command);
    this.#results.set(command.request_id, result);
    socket.receive({ type: "ack", request_id: command.request_id, seq: 1, ...result } as ServerFrame);
  }

  #resultOf(command: Command): object {
    switch (command.type) {
      case "session.create":
        return { session_id: this.createSession() };
      case "session.update":
        return this.#update(command);
      case "session.delete":
        return this.#remove(command.session_id);
      case "message.send":
        return this.#accept(command);
      case "run.cancel":
        this.tell(this.#sessionOf(command.run_id), command.run_id, {
          type: "run.cancelled",
          data: { reason: "founder" },
        });
        return {};
      case "run.retry":
        return this.#retry(command.run_id);
      case "message.feedback":
        return this.#rate(command);
      default:
        return {};
    }
  }

  #update(command: Extract<Command, { type: "session.update" }>): object {
    const { type: _type, request_id: _requestId, session_id: sessionId, ...change } = command;
    const session = this.sessions.get(sessionId);
    if (session === undefined) return {};
    session.view = { ...session.view, ...(change as Partial<SessionView>) };
    const updated = { type: "session.updated", data: { session: session.view } };
    this.#append(this.#founderLog, FOUNDER_STREAM, null, [updated]);
    this.tell(sessionId, null, updated);
    return { session_id: sessionId };
  }

  #remove(sessionId: string): object {
    const stream = `session:${sessionId}`;
    this.sessions.delete(sessionId);
    const deleted = { type: "session.deleted", data: { session_id: sessionId } };
    this.#append(this.#founderLog, FOUNDER_STREAM, null, [deleted]);
    for (const socket of this.#sockets) {
      socket.receive({ type: "stream.ended", stream, reason: "deleted" });
    }
    return { session_id: sessionId };
  }

  #accept(command: Extract<Command, { type: "message.send" }>): object {
    const { session_id: sessionId, request_id, text } = command;
    const message_id = this.#id();
    const run_id = this.#id();
    this.tell(
      sessionId,
      run_id,
      { type: "message.accepted", data: { message_id, request_id, text, run_id } },
      { type: "run.created", data: { run_id, trigger: "message", message_id, parent_run_id: null } },
    );
    return { message_id, run_id };
  }

  #retry(parentId: string): object {
    const run_id = this.#id();
    const data = { run_id, trigger: "retry", message_id: null, parent_run_id: parentId };
    this.tell(this.#sessionOf(parentId), run_id, { type: "run.created", data });
    return { run_id };
  }

  #rate(command: Extract<Command, { type: "message.feedback" }>): object {
    const { message_id, value } = command;
    for (const [sessionId, { log }] of this.sessions) {
      if (!log.some((event) => JSON.stringify(event.data).includes(message_id))) continue;
      this.tell(sessionId, null, { type: "message.feedback", data: { message_id, value } });
    }
    return { message_id };
  }

  #sessionOf(runId: string): string {
    for (const [sessionId, { log }] of this.sessions) {
      if (log.some((event) => event.run_id === runId)) return sessionId;
    }
    throw new Error(`no run ${runId}`);
  }

  /** Everything again: what the page knows already it drops. */
  #bring(socket: FakeSocket, stream: string): void {
    const log = stream === FOUNDER_STREAM ? this.#founderLog : this.sessions.get(stream.slice(8))?.log;
    if (log === undefined) {
      const refused = { code: "stream_unknown", detail: "", retryable: false, retry_after_ms: null };
      socket.receive({ type: "error", request_id: null, stream, ...refused });
      return;
    }
    for (const event of log) socket.receive(event);
    socket.receive({ type: "live", stream, seq: log.length });
  }

  #append(log: StreamEvent[], stream: string, runId: string | null, bodies: readonly Body[]): void {
    for (const body of bodies) {
      const ts = new Date().toISOString();
      const event = { stream, seq: log.length + 1, ts, run_id: runId, ...body } as StreamEvent;
      log.push(event);
      for (const socket of this.#sockets) socket.receive(event);
    }
  }

  #answer(path: string): Response {
    this.asked.push(path);
    if (path === "/v1/founder") {
      return Response.json({ founder_id: FOUNDER, stream: FOUNDER_STREAM });
    }
    const url = new URL(path, location.href);
    if (url.pathname !== "/v1/sessions") return Response.json({ code: "not_found" }, { status: 404 });
    const isArchive = url.searchParams.get("archived") === "true";
    const query = (url.searchParams.get("q") ?? "").toLowerCase();
    const views = [...this.sessions.values()].map(({ view }) => view);
    const sessions = views.filter(
      (view) => view.archived === isArchive && view.title.toLowerCase().includes(query),
    );
    return Response.json({ sessions, next_cursor: null });
  }

  #id(): string {
    this.#count += 1;
    return `00000000-0000-4000-8000-${String(this.#count).padStart(12, "0")}`;
  }
}
