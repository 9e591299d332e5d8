// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { SESSION, STREAM } from "@/test/events";
import { FakeSocket } from "@/test/fake-socket";

import { Connection } from "../socket/connection";
import { Streams } from "./streams";

let socket: FakeSocket;
let streams: Streams;
let connection: Connection;

beforeEach(() => {
  socket = new FakeSocket();
  streams = new Streams();
  connection = new Connection({
    prepare: () => Promise.resolve(),
    cursors: () => streams.cursors(),
    onFrame: (frame) => streams.receive(frame),
    openSocket: () => socket as unknown as WebSocket,
  });
  streams.attach(connection);
});
afterEach(() => connection.stop());

async function sayHello(): Promise<void> {
  connection.start();
  await vi.waitFor(() => {
    socket.open();
    expect(socket.sentOf("hello")).not.toEqual([]);
  });
}

function welcome(): void {
  socket.receive({ type: "welcome", epoch: "e1", heartbeat_s: 15 });
}

describe("the streams", () => {
  it("follow a session that was opened between hello and welcome", async () => {
    await sayHello();
    streams.session(SESSION);
    welcome();
    expect(socket.sentOf("subscribe")).toMatchObject([{ streams: [{ stream: STREAM }] }]);
  });

  it("ask once for a session the hello has named", async () => {
    streams.session(SESSION);
    await sayHello();
    welcome();
    expect(socket.sentOf("hello")).toMatchObject([{ streams: [{ stream: STREAM }] }]);
    expect(socket.sentOf("subscribe")).toEqual([]);
  });
});
