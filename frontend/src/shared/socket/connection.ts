/**
 * The one socket of the page: opened, watched, and opened again.
 *
 * Where sockets do not get through although the gateway answers, the same
 * frames come as server-sent events; a socket is tried again now and then.
 */
import type { ClientFrame, ServerFrame, StreamCursor } from "../api/wire";
import { Store } from "../store";
import { backoffDelayMs } from "./backoff";
import { CloseCode } from "./close-codes";

export type ConnectionState = "live" | "connecting" | "offline";

export interface ConnectionStatus {
  state: ConnectionState;
  /** What the founder should be told besides the state. */
  reason: "none" | "restarting" | "too_many_tabs" | "refused";
}

export interface ConnectionOptions {
  /** Makes sure the browser has a founder before a socket is opened. */
  prepare: (isRefused: boolean) => Promise<void>;
  /** What to follow, asked at every (re)connection. */
  cursors: () => { epoch: string | null; streams: StreamCursor[] };
  onFrame: (frame: ServerFrame) => void;
  openSocket?: () => WebSocket;
  /** Speaks like a socket, over HTTP. */
  openEventStreams?: () => Promise<WebSocket>;
  random?: () => number;
}

const SUBPROTOCOL = "vb.v1";
const WATCH_MS = 1_000;
const PING_AFTER_MS = 12_000;
const SILENT_DEATH_MS = 30_000;
const PROBE_MS = 3_000;
const OPENING_MS = 10_000;
const TOO_MANY_TABS_MS = 30_000;
/** So many failures without a welcome: perhaps the founder is unknown. */
const FAILURES_BEFORE_FOUNDER_CHECK = 2;
/** So many sockets that never opened while HTTP works: something is in the way. */
const FAILURES_BEFORE_EVENT_STREAMS = 3;
const SOCKET_AGAIN_MS = 300_000;
/** What browsers say of a socket that ended without a word. */
const LOST = 1006;
/** A connection that held so long was a good one: the next failure is the first. */
const STABLE_MS = 10_000;

/** The socket said something the gateway will never take; HTTP will say what. */
const UNFIT = new Set<number>([
  CloseCode.MALFORMED_FRAME,
  CloseCode.FRAME_TOO_LARGE,
  CloseCode.TOO_BIG,
]);

export class Connection {
  readonly status = new Store<ConnectionStatus>({ state: "connecting", reason: "none" });
  readonly #options: ConnectionOptions;
  readonly #cleanUps: (() => void)[] = [];
  #socket: WebSocket | null = null;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #socketAgainTimer: ReturnType<typeof setTimeout> | undefined;
  #isSocketBlocked = false;
  #neverOpened = 0;
  #hasOpened = false;
  #hasFounderAnswered = false;
  #welcomeAt = 0;
  #attempt = 0;
  #generation = 0;
  #isWelcome = false;
  #isFounderRefused = true;
  #lastFrameAt = 0;
  #lastPingAt = 0;
  #deadlineAt = Number.POSITIVE_INFINITY;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  start(): void {
    this.#listen(globalThis, "offline", () => this.#networkLost());
    this.#listen(globalThis, "online", () => this.reconnect());
    this.#listen(globalThis, "pageshow", () => this.#probe());
    this.#listen(document, "visibilitychange", () => {
      if (document.visibilityState === "visible") this.#probe();
    });
    const watch = setInterval(() => this.#watch(), WATCH_MS);
    this.#cleanUps.push(() => clearInterval(watch));
    void this.#open();
  }

  stop(): void {
    for (const cleanUp of this.#cleanUps.splice(0)) cleanUp();
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#socketAgainTimer);
    this.#abandon();
  }

  /** Whether every stream costs an HTTP connection of its own. */
  get isEventStreams(): boolean {
    return this.#isSocketBlocked;
  }

  /** Sends when the gateway has welcomed us; otherwise says so and drops it. */
  send(frame: ClientFrame): boolean {
    if (!this.#isWelcome || this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** Tries now instead of when the back-off says. */
  reconnect(): void {
    clearTimeout(this.#retryTimer);
    this.#attempt = 0;
    void this.#open();
  }

  #listen(target: EventTarget, type: string, listener: () => void): void {
    target.addEventListener(type, listener);
    this.#cleanUps.push(() => target.removeEventListener(type, listener));
  }

  async #open(): Promise<void> {
    this.#abandon();
    const generation = this.#generation;
    if (this.status.get().state === "live") this.#tell("connecting");
    let socket: WebSocket;
    try {
      this.#hasFounderAnswered = this.#isFounderRefused;
      await this.#options.prepare(this.#isFounderRefused);
      this.#isFounderRefused = false;
      if (generation !== this.#generation) return;
      socket = await this.#openLine();
    } catch {
      if (generation === this.#generation) this.#retryLater();
      return;
    }
    if (generation !== this.#generation) {
      socket.close();
      return;
    }
    this.#socket = socket;
    this.#hasOpened = false;
    this.#deadlineAt = performance.now() + OPENING_MS;
    socket.addEventListener("open", () => {
      this.#hasOpened = true;
      socket.send(JSON.stringify(this.#hello()));
    });
    socket.addEventListener("message", (message: MessageEvent<unknown>) => {
      if (generation === this.#generation) this.#receive(message.data);
    });
    socket.addEventListener("close", (event) => {
      if (generation === this.#generation) this.#closed(event.code);
    });
  }

  #openLine(): WebSocket | Promise<WebSocket> {
    if (this.#isSocketBlocked && this.#options.openEventStreams) {
      return this.#options.openEventStreams();
    }
    return this.#newSocket();
  }

  #newSocket(): WebSocket {
    return this.#options.openSocket?.() ?? openGatewaySocket();
  }

  #hello(): ClientFrame {
    const { epoch, streams } = this.#options.cursors();
    return { type: "hello", streams, ...(epoch === null ? {} : { epoch }) };
  }

  #receive(data: unknown): void {
    const frame = parseFrame(data);
    if (frame === null) return;
    this.#lastFrameAt = performance.now();
    this.#deadlineAt = Number.POSITIVE_INFINITY;
    if (frame.type === "welcome") {
      this.#isWelcome = true;
      this.#welcomeAt = performance.now();
      this.#neverOpened = 0;
      // The frame first: who reacts to "live" must find the new epoch.
      this.#options.onFrame(frame);
      this.#tell("live");
      return;
    }
    if (frame.type === "ping") this.send({ type: "pong" });
    this.#options.onFrame(frame);
  }

  #closed(code: number): void {
    const wasWelcome = this.#isWelcome;
    if (wasWelcome && performance.now() - this.#welcomeAt >= STABLE_MS) this.#attempt = 0;
    if (!this.#hasOpened) this.#neverOpened += 1;
    this.#abandon();
    if (code === CloseCode.NO_FOUNDER) this.#isFounderRefused = true;
    if (!wasWelcome && this.#attempt >= FAILURES_BEFORE_FOUNDER_CHECK) {
      this.#isFounderRefused = true;
    }
    const isInTheWay =
      this.#neverOpened >= FAILURES_BEFORE_EVENT_STREAMS && this.#hasFounderAnswered;
    if (UNFIT.has(code) || isInTheWay) this.#doWithoutSocket();
    if (code === CloseCode.ORIGIN) {
      // Only whoever runs the service can help: trying on would not.
      this.#tell("offline", "refused");
      return;
    }
    if (code === CloseCode.RESYNC && wasWelcome && this.#attempt === 0) {
      this.#attempt += 1;
      this.#tell("connecting");
      void this.#open();
      return;
    }
    if (code === CloseCode.TOO_MANY_SOCKETS) {
      this.#retryLater("too_many_tabs", TOO_MANY_TABS_MS);
      return;
    }
    this.#retryLater(code === CloseCode.DRAINING ? "restarting" : "none");
  }

  #doWithoutSocket(): void {
    if (this.#isSocketBlocked || !this.#options.openEventStreams) return;
    this.#isSocketBlocked = true;
    this.#attempt = 0;
    this.#trySocketLater();
  }

  #trySocketLater(): void {
    clearTimeout(this.#socketAgainTimer);
    this.#socketAgainTimer = setTimeout(() => this.#trySocket(), SOCKET_AGAIN_MS);
  }

  /** Changes back only once a socket has opened; nothing is interrupted before. */
  #trySocket(): void {
    const socket = this.#newSocket();
    socket.addEventListener("open", () => {
      socket.close();
      this.#isSocketBlocked = false;
      this.#neverOpened = 0;
      this.reconnect();
    });
    socket.addEventListener("close", () => {
      if (this.#isSocketBlocked) this.#trySocketLater();
    });
  }

  #retryLater(reason: ConnectionStatus["reason"] = "none", delayMs?: number): void {
    clearTimeout(this.#retryTimer);
    const random = this.#options.random ?? Math.random;
    const wait = delayMs ?? backoffDelayMs(this.#attempt, random);
    this.#attempt += 1;
    // One failed attempt may be a restart; more say that nobody answers.
    const isUnreachable = this.#attempt > 3 || this.status.get().state === "offline";
    this.#tell(isUnreachable ? "offline" : "connecting", reason);
    this.#retryTimer = setTimeout(() => void this.#open(), wait);
  }

  /** Forgets the socket; whatever it still says is not heard. */
  #abandon(): void {
    this.#generation += 1;
    this.#isWelcome = false;
    this.#deadlineAt = Number.POSITIVE_INFINITY;
    this.#socket?.close();
    this.#socket = null;
  }

  #networkLost(): void {
    clearTimeout(this.#retryTimer);
    this.#abandon();
    this.#tell("offline");
    // The browser may be wrong (the gateway can be on this machine): try on.
    this.#attempt = Math.max(this.#attempt, 4);
    this.#retryLater();
  }

  /** After a sleep the socket may be dead without having been told. */
  #probe(): void {
    if (this.status.get().reason === "refused") return;
    if (this.send({ type: "ping" })) {
      this.#lastPingAt = performance.now();
      this.#deadlineAt = Math.min(this.#deadlineAt, performance.now() + PROBE_MS);
    } else if (this.#socket === null) {
      this.reconnect();
    }
  }

  #watch(): void {
    if (this.#socket === null) return;
    const now = performance.now();
    const isSilent = this.#isWelcome && now - this.#lastFrameAt > SILENT_DEATH_MS;
    if (isSilent || now > this.#deadlineAt) {
      this.#closed(LOST);
      return;
    }
    const idleSince = Math.max(this.#lastFrameAt, this.#lastPingAt);
    if (now - idleSince > PING_AFTER_MS && this.send({ type: "ping" })) {
      this.#lastPingAt = now;
    }
  }

  #tell(state: ConnectionState, reason: ConnectionStatus["reason"] = "none"): void {
    const current = this.status.get();
    if (current.state === state && current.reason === reason) return;
    this.status.set({ state, reason });
  }
}

function openGatewaySocket(): WebSocket {
  const url = new URL("/v1/socket", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return new WebSocket(url, SUBPROTOCOL);
}

/** Frames come from the gateway this page came from; shape is by contract. */
function parseFrame(data: unknown): ServerFrame | null {
  if (typeof data !== "string") return null;
  try {
    const frame: unknown = JSON.parse(data);
    const isFrame = typeof frame === "object" && frame !== null && "type" in frame;
    return isFrame ? (frame as ServerFrame) : null;
  } catch {
    return null;
  }
}
