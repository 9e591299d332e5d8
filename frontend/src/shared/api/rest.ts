/** The gateway over HTTP: what is not a stream, and commands without a socket. */
import { noteGatewayTime } from "../gateway-clock";
import { CommandError } from "./command-error";
import type {
  Branched,
  Command,
  CommandResult,
  FounderLink,
  FounderView,
  MessagePage,
  SearchPage,
  SessionPage,
  StreamCursor,
} from "./wire";

export interface SessionQuery {
  q?: string;
  archived?: boolean;
  cursor?: string;
}

const HISTORY_PAGE = 50;
/** So long without an answer is as good as none. */
const SILENCE_MS = 15_000;

/** Methods throw `CommandError` for every refusal and for a silent gateway. */
export class Rest {
  readonly #fetch: typeof fetch;
  readonly #silenceMs: number;

  constructor(
    fetchFunction: typeof fetch = fetch.bind(globalThis),
    { silenceMs = SILENCE_MS } = {},
  ) {
    this.#fetch = fetchFunction;
    this.#silenceMs = silenceMs;
  }

  /** The same founder again for whoever has the cookie already. */
  mintFounder(): Promise<FounderView> {
    return this.#request<FounderView>("POST", "/v1/founder", { deliver: "cookie" });
  }

  /** A link that opens this founder on one other device. */
  createLink(requestId: string): Promise<FounderLink> {
    return this.#request<FounderLink>("POST", "/v1/founder/links", { request_id: requestId });
  }

  /** Makes this browser the founder's who made the link. */
  redeemLink(requestId: string, token: string): Promise<FounderView> {
    const body = { request_id: requestId, token };
    return this.#request<FounderView>("POST", "/v1/founder/links/redeem", body);
  }

  sessions(query: SessionQuery, signal?: AbortSignal): Promise<SessionPage> {
    const parameters = new URLSearchParams();
    if (query.q) parameters.set("q", query.q);
    if (query.archived) parameters.set("archived", "true");
    if (query.cursor) parameters.set("cursor", query.cursor);
    return this.#request<SessionPage>(
      "GET",
      `/v1/sessions?${parameters.toString()}`,
      undefined,
      signal,
    );
  }

  /** Finds words in titles and messages, by how they begin. */
  search(query: string, cursor: string | null, signal?: AbortSignal): Promise<SearchPage> {
    const parameters = new URLSearchParams({ q: query });
    if (cursor !== null) parameters.set("cursor", cursor);
    const path = `/v1/search?${parameters.toString()}`;
    return this.#request<SearchPage>("GET", path, undefined, signal);
  }

  /** Messages older than `beforeSeq`, oldest first. */
  messages(sessionId: string, beforeSeq: number): Promise<MessagePage> {
    return this.#request<MessagePage>(
      "GET",
      `/v1/sessions/${sessionId}/messages?before_seq=${beforeSeq}&limit=${HISTORY_PAGE}`,
    );
  }

  /** Messages before and after one, oldest first. */
  messagesAround(sessionId: string, seq: number): Promise<MessagePage> {
    return this.#request<MessagePage>(
      "GET",
      `/v1/sessions/${sessionId}/messages?around_seq=${seq}&limit=${HISTORY_PAGE}`,
    );
  }

  /** Follows one stream for as long as `signal` allows; rejects when refused. */
  async live(
    { stream, after_seq }: StreamCursor,
    epoch: string | null,
    signal: AbortSignal,
  ): Promise<ReadableStream<Uint8Array>> {
    const init: RequestInit = { credentials: "same-origin", cache: "no-store", signal };
    const hasCursor = after_seq !== undefined && after_seq !== null && epoch !== null;
    if (hasCursor) init.headers = { "last-event-id": `${epoch}:${after_seq}` };
    const path = `/v1/streams/${encodeURIComponent(stream)}/live`;
    const response = await this.#fetch(path, init);
    if (!response.ok) throw await refusalOf(response);
    if (response.body === null) throw CommandError.unreachable(`${path} has no body`);
    return response.body;
  }

  /** Resolves when the gateway answers at all. */
  async reach(): Promise<void> {
    await this.#request("GET", "/v1/status");
  }

  /** Carries out a command; the same `request_id` gives the first result again. */
  async command(command: Command): Promise<CommandResult> {
    const { method, path, body } = routeOf(command);
    const result = await this.#request<CommandResult & Partial<Branched>>(method, path, body);
    const { session } = result;
    return session === undefined ? result : { ...result, session_id: session.session_id };
  }

  async #request<Result>(
    method: string,
    path: string,
    body?: unknown,
    signal?: AbortSignal,
  ): Promise<Result> {
    const response = await this.#send(method, path, body, signal);
    noteGatewayTime(response.headers.get("date"));
    if (!response.ok) throw await refusalOf(response);
    if (response.status === 204) return {} as Result;
    try {
      return (await response.json()) as Result;
    } catch (error) {
      throw unanswered(error, method, path);
    }
  }

  async #send(
    method: string,
    path: string,
    body: unknown,
    signal?: AbortSignal,
  ): Promise<Response> {
    const init: RequestInit = { method, credentials: "same-origin", cache: "no-store" };
    init.signal = signal ?? AbortSignal.timeout(this.#silenceMs);
    if (method !== "GET") init.headers = { "content-type": "application/json" };
    if (body !== undefined) init.body = JSON.stringify(body);
    try {
      return await this.#fetch(path, init);
    } catch (error) {
      throw unanswered(error, method, path);
    }
  }
}

/** No answer, or one that broke off; who gave up asking is told just that. */
function unanswered(error: unknown, method: string, path: string): unknown {
  if (error instanceof DOMException && error.name === "AbortError") return error;
  return CommandError.unreachable(`${method} ${path} was not answered`);
}

function routeOf(command: Command): { method: string; path: string; body?: unknown } {
  switch (command.type) {
    case "session.create": {
      const { type: _, ...body } = command;
      return { method: "POST", path: "/v1/sessions", body };
    }
    case "session.update": {
      const { type: _, session_id, ...body } = command;
      return { method: "PATCH", path: `/v1/sessions/${session_id}`, body };
    }
    case "session.delete":
      return { method: "DELETE", path: `/v1/sessions/${command.session_id}` };
    case "session.branch": {
      const { type: _, session_id, ...body } = command;
      return { method: "POST", path: `/v1/sessions/${session_id}/branches`, body };
    }
    case "message.send": {
      const { type: _, session_id, ...body } = command;
      return { method: "POST", path: `/v1/sessions/${session_id}/messages`, body };
    }
    case "run.cancel":
    case "run.retry": {
      const action = command.type === "run.cancel" ? "cancel" : "retry";
      const body = { request_id: command.request_id };
      return { method: "POST", path: `/v1/runs/${command.run_id}/${action}`, body };
    }
    case "message.feedback": {
      const { type: _, message_id, ...body } = command;
      return { method: "POST", path: `/v1/messages/${message_id}/feedback`, body };
    }
  }
}

interface Problem {
  code?: string;
  detail?: string;
  retryable?: boolean;
  retry_after_ms?: number | null;
}

async function refusalOf(response: Response): Promise<CommandError> {
  const problem = await response.json().then(
    (body: unknown) => (body ?? {}) as Problem,
    // A proxy in between answers with a page of its own.
    (): Problem => ({}),
  );
  const seconds = Number(response.headers.get("retry-after"));
  return new CommandError({
    code: problem.code ?? `http_${response.status}`,
    detail: typeof problem.detail === "string" ? problem.detail : response.statusText,
    retryable: problem.retryable ?? response.status >= 500,
    retryAfterMs: problem.retry_after_ms ?? (seconds > 0 ? seconds * 1_000 : null),
    status: response.status,
  });
}
