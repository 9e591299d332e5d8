// @vitest-environment jsdom
import { array, assert, asyncProperty, nat } from "fast-check";
import { describe, expect, it, vi } from "vitest";

import { Rest } from "../api/rest";
import type { ClientFrame, ServerFrame } from "../api/wire";
import { EventStreams } from "./event-streams";
import { blocksOf } from "./sse";

const encode = (text: string) => new TextEncoder().encode(text);

function bodyOf(pieces: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start: (controller) => {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
}

describe("server-sent events", () => {
  const text =
    ': ping\n\nid: e:1\nevent: live\ndata: {"a":"ü – 😀"}\n\nid: e:2\nevent: end\ndata: x\n\n';

  it("are the same however the body was cut", async () => {
    const bytes = encode(text);
    await assert(
      asyncProperty(array(nat(bytes.length)), async (cuts) => {
        const places = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
        const pieces = places.slice(1).map((end, index) => bytes.slice(places[index], end));
        const blocks = [];
        for await (const block of blocksOf(bodyOf(pieces))) blocks.push(block);
        expect(blocks).toEqual([
          { id: null, event: "message", data: null },
          { id: "e:1", event: "live", data: '{"a":"ü – 😀"}' },
          { id: "e:2", event: "end", data: "x" },
        ]);
      }),
    );
  });
});

function open(answer: (path: string, init?: RequestInit) => Response | Promise<Response>) {
  const fetchFunction = vi.fn<typeof fetch>((path, init) =>
    Promise.resolve(answer(String(path), init)),
  );
  const streams = new EventStreams(new Rest(fetchFunction));
  const frames: ServerFrame[] = [];
  const closed: number[] = [];
  streams.addEventListener("message", (event) => {
    frames.push(JSON.parse(String((event as MessageEvent).data)) as ServerFrame);
  });
  streams.addEventListener("close", (event) => closed.push((event as CloseEvent).code));
  const say = (frame: ClientFrame) => streams.send(JSON.stringify(frame));
  return { say, frames, closed, fetchFunction };
}

describe("frames without a socket", () => {
  const live = 'id: e1:7\nevent: live\ndata: {"type":"live","stream":"session:s","seq":7}\n\n';

  it("begin with a welcome in the epoch of the first id, and go on from a cursor", async () => {
    const { say, frames, closed, fetchFunction } = open(() => new Response(live));
    say({ type: "hello", epoch: "e1", streams: [{ stream: "session:s", after_seq: 7 }] });
    await expect.poll(() => closed).toEqual([1006]);
    expect(frames.map((frame) => frame.type)).toEqual(["welcome", "live"]);
    const [path, init] = fetchFunction.mock.calls[0] ?? [];
    expect(path).toBe("/v1/streams/session%3As/live");
    expect(init?.headers).toEqual({ "last-event-id": "e1:7" });
  });

  it.each([
    ["draining", [1012], []],
    ["deleted", [], ["stream.ended"]],
  ])("end as a socket would: %s", async (reason, codes, types) => {
    const end = `event: end\ndata: {"reason":"${reason}"}\n\n`;
    const { say, frames, closed } = open(() => new Response(end));
    say({ type: "hello", streams: [{ stream: "session:s" }] });
    await expect.poll(() => frames.length + closed.length).toBe(1);
    expect(closed).toEqual(codes);
    expect(frames.map((frame) => frame.type)).toEqual(types);
  });

  it.each([
    [401, [4401], []],
    [404, [], [{ type: "error", stream: "session:s", code: "stream_unknown" }]],
    [429, [4429], []],
    [502, [1006], []],
  ])("are refused as by a socket: %i", async (status, codes, refusals) => {
    const body = JSON.stringify({ code: "stream_unknown", detail: "none", retryable: false });
    const { say, frames, closed } = open(() => new Response(body, { status }));
    say({ type: "hello", streams: [{ stream: "session:s" }] });
    await expect.poll(() => frames.length + closed.length).toBe(1);
    expect(closed).toEqual(codes);
    expect(frames).toMatchObject(refusals);
  });

  it("answer commands with the frames of a socket", async () => {
    const { say, frames } = open((path) =>
      path.endsWith("/cancel")
        ? Response.json({ run_id: "r1", seq: 4 })
        : Response.json({ code: "queue_full", detail: "full", retryable: true }, { status: 409 }),
    );
    say({ type: "run.cancel", run_id: "r1", request_id: "q1" });
    say({ type: "message.send", session_id: "s", text: "Hi", request_id: "q2" });
    await expect.poll(() => frames).toHaveLength(2);
    expect(frames).toMatchObject([
      { type: "ack", request_id: "q1", run_id: "r1", seq: 4 },
      { type: "error", request_id: "q2", code: "queue_full", retryable: true },
    ]);
  });
});
