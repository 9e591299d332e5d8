import { act, render } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { userEvent } from "vitest/browser";

import type { MessagePage, MessageView } from "@/shared/api/wire";
import { BlockToken } from "@/shared/markdown/block-token";
import type { SessionStore } from "@/shared/streams/streams";
import { ChatFrame, createTestClient, messageView, tell } from "@/test/chat-harness";
import { eventsOf, SESSION } from "@/test/events";
import { anchorIn, below, frames, settled } from "@/test/timeline-view";

import { useMessage } from "../model/chat";
import { Timeline } from "./timeline";

// Spied on, they tell what was rendered: every row of a message asks for it.
vi.mock("@/shared/markdown/block-token", { spy: true });
vi.mock("../model/chat", { spy: true });

const LAST = 2_000;
const PAGE = 50;

/** Heights differ, as they do in a real talk. */
function view(number: number): MessageView {
  const text = Array.from({ length: 1 + (number % 7) }, (_, index) => `Part ${index} of ${number}.`);
  return messageView(number, { text: text.join("\n\n") });
}

function views(first: number, last: number): MessageView[] {
  return Array.from({ length: last - first + 1 }, (_, index) => view(first + index));
}

/** Answers history pages, each when the test lets it. */
function historyFetch() {
  const waiting: (() => void)[] = [];
  const answer = async (input: RequestInfo | URL): Promise<Response> => {
    const before = Number(new URL(String(input), location.href).searchParams.get("before_seq"));
    const first = Math.max(1, before - PAGE);
    const page = {
      messages: views(first, before - 1),
      has_more: first > 1,
      last_seq: LAST,
      epoch: "e",
    } as MessagePage;
    await new Promise<void>((resolve) => {
      waiting.push(resolve);
    });
    return Response.json(page);
  };
  const release = async () => {
    await expect.poll(() => waiting.length).toBeGreaterThan(0);
    waiting.shift()?.();
  };
  return { fetch: vi.fn(answer), release };
}

function open({
  messages = views(LAST - PAGE + 1, LAST),
  hasMore = true,
  fetch = undefined as typeof globalThis.fetch | undefined,
} = {}) {
  const history = historyFetch();
  const client = createTestClient(fetch ?? (history.fetch as typeof globalThis.fetch));
  const store = client.streams.session(SESSION);
  tell(store, { messages, hasMore, seq: LAST });
  const { container } = render(
    <ChatFrame client={client}>
      <div style={{ display: "flex", height: "600px" }}>
        <Timeline />
      </div>
    </ChatFrame>,
  );
  const scroller = container.querySelector<HTMLElement>("[role=log]");
  if (scroller === null) throw new Error("no timeline");
  return { ...history, store, container, scroller };
}

/** The end is in view before its rows are: both, and nothing moves any more. */
async function openedAtEnd(scroller: HTMLElement, last = LAST): Promise<void> {
  await expect.poll(() => scroller.querySelector(`[data-message-id="m${last}"]`)).not.toBeNull();
  await expect.poll(() => below(scroller)).toBeLessThanOrEqual(1);
  await settled(scroller);
}

/** Appends to the last message. */
function grow(store: SessionStore, seq: number, text: string): void {
  const body = { type: "message.delta" as const, data: { message_id: `m${LAST}`, text } };
  for (const event of eventsOf([body], `r${LAST}`, seq)) store.receiveEvent(event);
}

const growing = () => [...views(LAST - PAGE + 1, LAST - 1), messageView(LAST, { text: "", status: "streaming" })];

beforeEach(() => frames(1));

describe("opening", () => {
  it("shows a short talk below the line that says what is lacking", async () => {
    const refuse = vi.fn().mockRejectedValue(new TypeError("refused"));
    const { container, scroller } = open({ messages: [messageView(LAST, { text: "Hello" })], fetch: refuse });
    await openedAtEnd(scroller);
    const bottomOfLine = () => container.querySelector("p:has(> button)")?.getBoundingClientRect().bottom;
    const topOfMessage = () => scroller.querySelector("[data-message-id]")?.getBoundingClientRect().top;
    await expect.poll(bottomOfLine).toBeDefined();
    await expect.poll(topOfMessage).toBeGreaterThanOrEqual(bottomOfLine() ?? Number.POSITIVE_INFINITY);
  });

  it("shows the end of 2,000 messages with at most 1,500 elements", async () => {
    const { container, scroller } = open({ messages: views(1, LAST), hasMore: false });
    await openedAtEnd(scroller);
    expect(container.querySelector(`[data-message-id="m${LAST}"]`)).not.toBeNull();
    expect(container.querySelectorAll("*").length).toBeLessThanOrEqual(1_500);
    scroller.scrollTop = scroller.scrollHeight / 2;
    await settled(scroller);
    expect(container.querySelectorAll("*").length).toBeLessThanOrEqual(1_500);
  });
});

describe("earlier messages", () => {
  it.each([40, 400, 4_000])("arrive without a jump, scrolled by %i px", async (speed) => {
    const { scroller, release, fetch } = open();
    await openedAtEnd(scroller);
    scroller.scrollTop = 1_400;
    await settled(scroller);
    while (fetch.mock.calls.length === 0) {
      scroller.scrollTop = Math.max(0, scroller.scrollTop - speed);
      await frames(1);
    }
    await settled(scroller);
    const height = scroller.scrollHeight;
    const anchor = anchorIn(scroller);
    const before = anchor.top();
    await release();
    await expect.poll(() => scroller.scrollHeight).toBeGreaterThan(height);
    await settled(scroller);
    expect(Math.abs(anchor.top() - before)).toBeLessThanOrEqual(1);
  });

  it("arrive without a jump while a reply streams", async () => {
    const { scroller, release, store, fetch } = open({ messages: growing() });
    await openedAtEnd(scroller);
    scroller.scrollTop = 200;
    await expect.poll(() => fetch.mock.calls.length).toBe(1);
    await settled(scroller);
    const height = scroller.scrollHeight;
    const anchor = anchorIn(scroller);
    const before = anchor.top();
    let seq = LAST;
    const stream = setInterval(() => grow(store, (seq += 1), "a word\n\n"), 10);
    await frames(12);
    await release();
    await expect.poll(() => scroller.scrollHeight).toBeGreaterThan(height + 2_000);
    await frames(20);
    clearInterval(stream);
    expect(Math.abs(anchor.top() - before)).toBeLessThanOrEqual(1);
  });
});

describe("a reply that grows", () => {
  it("is followed by who is at the end", async () => {
    const { scroller, store } = open({ messages: growing(), hasMore: false });
    await openedAtEnd(scroller);
    for (let step = 1; step <= 30; step += 1) {
      grow(store, LAST + step, "a line\n\n");
      await frames(1);
    }
    await expect.poll(() => below(scroller)).toBeLessThanOrEqual(1);
  });

  it("leaves who reads further up alone, who can jump to the end", async () => {
    const { scroller, store, container } = open({ messages: growing(), hasMore: false });
    await openedAtEnd(scroller);
    scroller.scrollTop -= 1_500;
    await settled(scroller);
    const anchor = anchorIn(scroller);
    const before = anchor.top();
    for (let step = 1; step <= 30; step += 1) {
      grow(store, LAST + step, "a line\n\n");
      await frames(1);
    }
    expect(Math.abs(anchor.top() - before)).toBeLessThanOrEqual(1);
    const jump = [...container.querySelectorAll("button")].find((one) =>
      one.textContent?.includes("latest"),
    );
    jump?.click();
    await expect.poll(() => below(scroller)).toBeLessThanOrEqual(1);
  });

  it("renders one row and two blocks per change, twenty changes a second", async () => {
    const { store, scroller } = open({ messages: growing(), hasMore: false });
    await openedAtEnd(scroller);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    const others = [...scroller.querySelectorAll("article")].slice(0, -1);
    const changed = new Set<Node>();
    const observer = new MutationObserver((records) => {
      for (const { target } of records) changed.add(target);
    });
    observer.observe(scroller, { subtree: true, childList: true, characterData: true });
    const flushesBefore = store.flushes;
    vi.mocked(BlockToken).mockClear();
    vi.mocked(useMessage).mockClear();
    for (let step = 1; step <= 200; step += 1) {
      grow(store, LAST + step, step % 25 === 0 ? "end.\n\n" : "word ");
      act(() => {
        vi.advanceTimersByTime(10);
      });
    }
    vi.useRealTimers();
    const flushes = store.flushes - flushesBefore;
    expect(flushes).toBeGreaterThan(20);
    expect(flushes).toBeLessThanOrEqual(2 * 20 + 1);
    const blocks = vi.mocked(BlockToken).mock.calls.filter(([props]) => props.isOutermost);
    expect(blocks.length).toBeGreaterThan(0);
    expect(blocks.length).toBeLessThanOrEqual(2 * flushes);
    const rows = vi.mocked(useMessage).mock.calls.map(([messageId]) => messageId);
    expect(new Set(rows)).toEqual(new Set([`m${LAST}`]));
    expect(rows.length).toBeLessThanOrEqual(flushes);
    observer.disconnect();
    for (const other of others) {
      expect([...changed].some((node) => other.contains(node))).toBe(false);
    }
  });
});

describe("the focus", () => {
  it("stays in a row that is scrolled out of sight", async () => {
    const { scroller, container } = open({ messages: views(1, 400), hasMore: false });
    await openedAtEnd(scroller, 400);
    const button = container.querySelector<HTMLElement>('[data-message-id="m400"] button');
    button?.focus();
    scroller.scrollTop = 0;
    await expect
      .poll(() => container.querySelector('[data-message-id="m1"]'))
      .not.toBeNull();
    expect(document.activeElement).toBe(button);
    expect(container.querySelectorAll("article").length).toBeLessThan(40);
  });
});

describe("the keyboard", () => {
  it("goes to the beginning and to the end of the talk", async () => {
    const { scroller } = open({ messages: views(1, 400), hasMore: false });
    await openedAtEnd(scroller, 400);
    scroller.focus();
    await userEvent.keyboard("{Home}");
    await expect.poll(() => scroller.scrollTop).toBeLessThanOrEqual(24);
    await expect.poll(() => scroller.querySelector('[data-message-id="m1"]')).not.toBeNull();
    await userEvent.keyboard("{End}");
    await expect.poll(() => below(scroller)).toBe(0);
  });
});

