// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { FakeSocket } from "@/test/fake-socket";

import { Rest } from "../api/rest";
import type { ServerFrame } from "../api/wire";
import { Commands } from "./commands";
import { Connection } from "./connection";

const welcome: ServerFrame = { type: "welcome", epoch: "e1", heartbeat_s: 15 };
const stop = { type: "run.cancel", run_id: "r1", request_id: "q1" } as const;
const ack: ServerFrame = {
  type: "ack",
  request_id: "q1",
  session_id: null,
  message_id: null,
  run_id: "r1",
  position: null,
  seq: 7,
};

let sockets: FakeSocket[] = [];
let refusals: boolean[] = [];
let connection: Connection;

function last(): FakeSocket {
  const socket = sockets.at(-1);
  if (socket === undefined) throw new Error("no socket was opened");
  return socket;
}

async function settle(milliseconds = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(milliseconds);
}

async function goLive(): Promise<void> {
  await settle();
  last().open();
  last().receive(welcome);
}

beforeEach(() => {
  vi.useFakeTimers();
  sockets = [];
  refusals = [];
  connection = new Connection({
    prepare: (isRefused) => {
      refusals.push(isRefused);
      return Promise.resolve();
    },
    cursors: () => ({ epoch: "e0", streams: [{ stream: "session:s", after_seq: 4 }] }),
    onFrame: () => {},
    openSocket: () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket as unknown as WebSocket;
    },
    random: () => 0.5,
  });
  connection.start();
});

afterEach(() => {
  connection.stop();
  vi.useRealTimers();
});

describe("the connection", () => {
  it("says where to go on and is live once welcomed", async () => {
    await settle();
    expect(connection.status.get().state).toBe("connecting");
    last().open();
    expect(last().sent).toEqual([
      { type: "hello", epoch: "e0", streams: [{ stream: "session:s", after_seq: 4 }] },
    ]);
    last().receive(welcome);
    expect(connection.status.get().state).toBe("live");
  });

  it("returns calmly when the gateway restarts", async () => {
    await goLive();
    last().drop(1012);
    expect(connection.status.get()).toEqual({ state: "connecting", reason: "restarting" });
    await settle(400);
    expect(sockets).toHaveLength(2);
    await goLive();
    expect(connection.status.get()).toEqual({ state: "live", reason: "none" });
  });

  it("returns at once when it could not keep up", async () => {
    await goLive();
    last().drop(4409);
    await settle();
    expect(sockets).toHaveLength(2);
  });

  it("asks for a founder again when the gateway knows none", async () => {
    await goLive();
    last().drop(4401);
    await settle(1_000);
    expect(refusals).toEqual([true, true]);
  });

  it("waits long when there are too many tabs", async () => {
    await goLive();
    last().drop(4429);
    await settle(29_000);
    expect(sockets).toHaveLength(1);
    await settle(1_100);
    expect(sockets).toHaveLength(2);
  });

  it("pings when it hears nothing and gives a silent socket up after 30 s", async () => {
    await goLive();
    await settle(14_000);
    expect(last().sentOf("ping")).toHaveLength(1);
    await settle(18_000);
    expect(sockets.length).toBeGreaterThan(1);
  });

  it("answers pings", async () => {
    await goLive();
    last().receive({ type: "ping" });
    expect(last().sentOf("pong")).toHaveLength(1);
  });

  it("is offline as soon as the network is, and back as soon as it returns", async () => {
    await goLive();
    dispatchEvent(new Event("offline"));
    expect(connection.status.get().state).toBe("offline");
    dispatchEvent(new Event("online"));
    await goLive();
    expect(connection.status.get().state).toBe("live");
  });

  it("says that nobody answers after a few attempts, and goes on trying", async () => {
    for (let attempt = 0; attempt < 5; attempt += 1) {
      await settle(5_000);
      last().drop(1006);
    }
    expect(connection.status.get().state).toBe("offline");
    await settle(10_000);
    await goLive();
    expect(connection.status.get().state).toBe("live");
  });

  it("does not trust a socket that slept until it has answered", async () => {
    await goLive();
    dispatchEvent(new Event("pageshow"));
    expect(last().sentOf("ping")).toHaveLength(1);
    await settle(5_000);
    expect(sockets.length).toBeGreaterThan(1);
  });
});

describe("a connection that fails again and again", () => {
  it("backs off although it was welcomed each time", async () => {
    const waits: number[] = [];
    for (let failure = 0; failure < 5; failure += 1) {
      const opened = sockets.length;
      await goLive();
      last().drop(1011);
      const droppedAt = Date.now();
      while (sockets.length === opened || sockets.length === waits.length + 1) await settle(50);
      waits.push(Date.now() - droppedAt);
    }
    expect(waits.at(-1)).toBeGreaterThan(4 * (waits[0] ?? 0));
  });

  it("begins its back-off anew after it held for a while", async () => {
    for (let failure = 0; failure < 4; failure += 1) {
      await goLive();
      last().drop(1011);
      await settle(10_000);
    }
    await goLive();
    await settle(11_000);
    const opened = sockets.length;
    last().drop(1011);
    await settle(300);
    expect(sockets).toHaveLength(opened + 1);
  });

  it("gives up when the page's origin is refused, until the founder asks", async () => {
    await goLive();
    last().drop(4403);
    await settle(120_000);
    dispatchEvent(new Event("pageshow"));
    await settle(1_000);
    expect(sockets).toHaveLength(1);
    expect(connection.status.get()).toEqual({ state: "offline", reason: "refused" });
    connection.reconnect();
    await goLive();
    expect(connection.status.get().state).toBe("live");
  });
});

describe("without sockets", () => {
  let streams: FakeSocket[] = [];

  beforeEach(() => {
    connection.stop();
    streams = [];
    sockets = [];
    connection = new Connection({
      prepare: () => Promise.resolve(),
      cursors: () => ({ epoch: null, streams: [] }),
      onFrame: () => {},
      openSocket: () => {
        const socket = new FakeSocket();
        sockets.push(socket);
        return socket as unknown as WebSocket;
      },
      openEventStreams: () => {
        const socket = new FakeSocket();
        streams.push(socket);
        return Promise.resolve(socket as unknown as WebSocket);
      },
      random: () => 0.5,
    });
    connection.start();
  });

  async function goLiveByStreams(): Promise<void> {
    await settle();
    streams.at(-1)?.open();
    streams.at(-1)?.receive(welcome);
  }

  it("the same frames come by HTTP, and a socket is taken once it opens", async () => {
    for (let failure = 0; failure < 4; failure += 1) {
      await settle(2_000);
      last().drop(1006);
    }
    await settle(1_000);
    expect(streams).toHaveLength(1);
    await goLiveByStreams();
    expect(connection.status.get().state).toBe("live");
    expect(connection.isEventStreams).toBe(true);

    streams.at(-1)?.receive({ type: "pong" });
    await settle(25_000);
    const opened = sockets.length;
    for (let minute = 0; minute < 10; minute += 1) {
      streams.at(-1)?.receive({ type: "pong" });
      await settle(29_000);
    }
    expect(sockets).toHaveLength(opened + 1);
    last().open();
    await goLive();
    expect(connection.isEventStreams).toBe(false);
    expect(connection.status.get().state).toBe("live");
  });

  it("is how a page goes on whose frame no socket would take", async () => {
    await goLive();
    last().drop(4413);
    await settle(1_000);
    expect(sockets).toHaveLength(1);
    expect(streams).toHaveLength(1);
  });

  it("waits for a gateway that answers nothing at all", async () => {
    await goLive();
    for (let failure = 0; failure < 3; failure += 1) {
      last().open();
      last().drop(1006);
      await settle(5_000);
    }
    expect(streams).toHaveLength(0);
  });
});

describe("a command", () => {
  const answer = vi.fn<typeof fetch>();

  function createCommands(): Commands {
    return new Commands(connection, new Rest(answer));
  }

  beforeEach(() => {
    answer.mockReset();
    answer.mockImplementation(() => Promise.resolve(Response.json({ run_id: "r1", seq: 9 })));
  });

  it("goes by the socket and ends with its ack", async () => {
    const commands = createCommands();
    await goLive();
    const result = commands.send(stop);
    expect(last().sentOf("run.cancel")).toEqual([stop]);
    commands.receive(ack);
    expect(await result).toMatchObject({ run_id: "r1", seq: 7 });
    await settle(60_000);
    expect(answer).not.toHaveBeenCalled();
  });

  it("without a socket goes by HTTP under the same request id", async () => {
    const commands = createCommands();
    const result = commands.send(stop);
    await settle(2_000);
    expect(await result).toMatchObject({ run_id: "r1", seq: 9 });
    const [path, init] = answer.mock.calls[0] ?? [];
    expect(path).toBe("/v1/runs/r1/cancel");
    expect(JSON.parse(String(init?.body))).toEqual({ request_id: "q1" });
  });

  it("waits while nobody can be reached, and is sent with the next socket", async () => {
    answer.mockImplementation(() => Promise.reject(new TypeError("offline")));
    const commands = createCommands();
    const result = commands.send(stop);
    await settle(3_000);
    await goLive();
    expect(last().sentOf("run.cancel")).toEqual([stop]);
    commands.receive(ack);
    expect(await result).toMatchObject({ seq: 7 });
  });

  it("that is refused says why", async () => {
    const commands = createCommands();
    await goLive();
    const result = commands.send(stop);
    commands.receive({
      type: "error",
      request_id: "q1",
      stream: null,
      code: "rate_limited",
      detail: "too many",
      retryable: true,
      retry_after_ms: 1_500,
    });
    await expect(result).rejects.toMatchObject({
      code: "rate_limited",
      isRetryable: true,
      retryAfterMs: 1_500,
    });
  });

  it("sent twice is one command", async () => {
    const commands = createCommands();
    await goLive();
    const results = [commands.send(stop), commands.send(stop)];
    commands.receive(ack);
    expect(await Promise.all(results)).toHaveLength(2);
    expect(last().sentOf("run.cancel")).toHaveLength(1);
  });
});
