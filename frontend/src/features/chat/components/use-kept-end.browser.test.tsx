import { render, screen } from "@testing-library/react";
import { expect, it } from "vitest";

import { ChatFrame, createTestClient, messageView, tell } from "@/test/chat-harness";
import { SESSION } from "@/test/events";
import { below, settled } from "@/test/timeline-view";

import { Timeline } from "./timeline";

const MESSAGES = Array.from({ length: 20 }, (_, index) => messageView(index + 1, { run_id: null }));

async function opened(): Promise<{ scroller: HTMLElement; place: HTMLElement }> {
  const client = createTestClient();
  tell(client.streams.session(SESSION), { messages: MESSAGES });
  render(
    <ChatFrame client={client}>
      <div data-testid="place" style={{ display: "flex", height: "600px" }}>
        <Timeline />
      </div>
    </ChatFrame>,
  );
  const scroller = screen.getByRole("log");
  await settled(scroller);
  return { scroller, place: screen.getByTestId("place") };
}

it.each([480, 700])("who is at the end stays there when the place is %i px high", async (height) => {
  const { scroller, place } = await opened();
  expect(below(scroller)).toBeLessThanOrEqual(1);
  place.style.height = `${height}px`;
  await settled(scroller);
  expect(scroller.clientHeight).toBe(height);
  expect(below(scroller)).toBeLessThanOrEqual(1);
});

it("who reads further up stays where they read", async () => {
  const { scroller, place } = await opened();
  scroller.scrollTop -= 700;
  await settled(scroller);
  const { scrollTop } = scroller;
  place.style.height = "480px";
  await settled(scroller);
  expect(scroller.scrollTop).toBe(scrollTop);
});
