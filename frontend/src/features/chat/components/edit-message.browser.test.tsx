import { render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { userEvent } from "vitest/browser";

import { texts } from "@/shared/i18n/texts";
import { ChatFrame, createTestClient, messageView, tell } from "@/test/chat-harness";
import { SESSION } from "@/test/events";
import { below, settled } from "@/test/timeline-view";

import { Timeline } from "./timeline";

const MESSAGES = [1, 2, 3, 4].map((number) =>
  messageView(number, { text: "Some words that were said. ".repeat(12), run_id: null }),
);

function edges(element: Element): { top: number; bottom: number } {
  const { top, bottom } = element.getBoundingClientRect();
  return { top: Math.round(top), bottom: Math.round(bottom) };
}

it.each([0, 1])("an editor that opens at the end of a talk is seen whole (place %i)", async (place) => {
  const client = createTestClient();
  tell(client.streams.session(SESSION), { messages: MESSAGES });
  const { container } = render(
    <ChatFrame client={client}>
      <div style={{ display: "flex", height: "430px" }}>
        <Timeline />
      </div>
    </ChatFrame>,
  );
  const scroller = screen.getByRole("log");
  await settled(scroller);
  expect(below(scroller)).toBeLessThanOrEqual(1);
  const pencils = screen.getAllByRole("button", { name: texts.message.edit });
  pencils[place]?.focus({ preventScroll: true });
  await userEvent.keyboard("{Enter}");
  const form = await screen.findByRole("form", { name: texts.message.edit });
  await settled(scroller);
  const within = edges(scroller);
  expect(edges(form).top).toBeGreaterThanOrEqual(within.top);
  expect(edges(form).bottom).toBeLessThanOrEqual(within.bottom);
  expect(container.contains(document.activeElement)).toBe(true);
});
