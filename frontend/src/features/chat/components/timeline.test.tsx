// @vitest-environment jsdom
import { act, cleanup, render } from "@testing-library/react";
import { Profiler, useMemo } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { MessageView } from "@/shared/api/wire";
import { type Client, ClientContext } from "@/shared/client";
import { Rest } from "@/shared/api/rest";
import { renderCounter } from "@/shared/markdown/markdown";
import { Commands } from "@/shared/socket/commands";
import { Connection } from "@/shared/socket/connection";
import type { SessionStore } from "@/shared/streams/streams";
import { Streams } from "@/shared/streams/streams";
import { eventsOf, SESSION, STREAM } from "@/test/events";

import { Chat, ChatContext } from "../model/chat";
import { Timeline } from "./timeline";

const MESSAGES = 2_000;
const REPLY = `m${MESSAGES}`;

function view(index: number): MessageView {
  const isCoach = index % 2 === 0;
  return {
    message_id: `m${index}`,
    session_id: SESSION,
    role: isCoach ? "coach" : "founder",
    text: `Message **${index}**\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nThe end.`,
    status: `m${index}` === REPLY ? "streaming" : "complete",
    seq: index,
    run_id: `r${index}`,
    request_id: isCoach ? null : `q${index}`,
    agent: isCoach ? "coach" : null,
    suggestions: [],
    feedback: "none",
    created_at: "2026-01-01T00:00:00.000Z",
    finished_at: null,
  };
}

function createTestClient(): Client {
  const rest = new Rest();
  const streams = new Streams();
  const connection = new Connection({
    prepare: () => Promise.resolve(),
    cursors: () => streams.cursors(),
    onFrame: () => {},
  });
  return { rest, streams, connection, commands: new Commands(connection, rest) };
}

function fill(store: SessionStore): void {
  const session = {
    session_id: SESSION,
    title: "Long",
    archived: false,
    created_at: "",
    updated_at: "",
    stream: STREAM,
    last_seq: MESSAGES,
  };
  const messages = Array.from({ length: MESSAGES }, (_, index) => view(index + 1));
  store.receiveSnapshot({
    type: "snapshot",
    kind: "session",
    stream: STREAM,
    seq: MESSAGES,
    epoch: "e",
    data: { session, messages, has_more: false, runs: [] },
  });
}

function Page({ client }: { client: Client }) {
  const chat = useMemo(() => new Chat(SESSION, client), [client]);
  return (
    <ClientContext value={client}>
      <ChatContext value={chat}>
        <Timeline />
      </ChatContext>
    </ClientContext>
  );
}

/** jsdom lays nothing out: a window of 800 px, rows of 150 px. */
function layOut(): void {
  const elements = HTMLElement.prototype;
  vi.spyOn(elements, "offsetHeight", "get").mockImplementation(function (this: HTMLElement) {
    return this.dataset["index"] ? 150 : 800;
  });
  vi.spyOn(elements, "offsetWidth", "get").mockReturnValue(700);
  vi.spyOn(elements, "clientHeight", "get").mockReturnValue(800);
  vi.spyOn(elements, "scrollHeight", "get").mockImplementation(function (this: HTMLElement) {
    return Number.parseFloat((this.firstElementChild as HTMLElement | null)?.style.height ?? "0");
  });
  // oxlint-disable-next-line unicorn/consistent-function-scoping -- it is a method: `this` is the element
  elements.scrollTo = function scrollTo(this: HTMLElement, ...[to]: unknown[]): void {
    this.scrollTop = (to as ScrollToOptions).top ?? 0;
    this.dispatchEvent(new Event("scroll"));
  };
}

beforeEach(layOut);

afterEach(() => {
  cleanup();
});

describe("a talk of 2,000 messages", () => {
  it("needs no more than 1,500 elements", () => {
    const client = createTestClient();
    fill(client.streams.session(SESSION));
    const { container } = render(<Page client={client} />);
    expect(container.querySelectorAll("article").length).toBeGreaterThan(4);
    expect(container.querySelectorAll("*").length).toBeLessThanOrEqual(1_500);
  });

  it("renders nothing but the message that grows, twenty times a second", () => {
    vi.useFakeTimers();
    const client = createTestClient();
    const store = client.streams.session(SESSION);
    fill(store);
    // Only what is near the window exists: show the end as a short talk.
    store.change((state) => ({ ...state, order: state.order.slice(-6) }));
    let commits = 0;
    const { container } = render(
      <Profiler id="page" onRender={() => (commits += 1)}>
        <Page client={client} />
      </Profiler>,
    );
    const other = container.querySelector(`[data-message-id="m${MESSAGES - 2}"]`)?.innerHTML;
    commits = 0;
    renderCounter.blocks = 0;
    const deltas = eventsOf(
      Array.from({ length: 200 }, () => ({
        type: "message.delta" as const,
        data: { message_id: REPLY, text: " word" },
      })),
      "r2000",
      MESSAGES + 1,
    );
    for (const delta of deltas) {
      act(() => {
        store.receiveEvent(delta);
        vi.advanceTimersByTime(10);
      });
    }
    act(() => {
      vi.advanceTimersByTime(50);
    });
    vi.useRealTimers();
    expect(container.querySelector(`[data-message-id="${REPLY}"]`)?.textContent).toContain(
      "word word",
    );
    expect(container.querySelector(`[data-message-id="m${MESSAGES - 2}"]`)?.innerHTML).toBe(other);
    // 2 s of stream; the list itself settles once or twice after it was laid out.
    expect(store.flushes).toBeLessThanOrEqual(2 * 20 + 1);
    expect(commits).toBeLessThanOrEqual(store.flushes + 3);
    expect(renderCounter.blocks).toBeLessThanOrEqual(2 * store.flushes);
  });
});
