import { render } from "@testing-library/react";
import { expect, it } from "vitest";

import { messageView } from "@/test/chat-harness";

import { PrintedTalk } from "./print-view";

const WIDE = [
  "```\nreturn " + "people * share * ".repeat(30) + "fee\n```",
  "| " + "a-column-of-its-own | ".repeat(9) + "\n|" + "---|".repeat(9) + "\n| " + "12 | ".repeat(9),
  "word".repeat(90),
  "- " + "`inline`".repeat(40),
];

function printed(...texts: string[]): HTMLElement {
  const messages = texts.map((text, index) =>
    messageView(2, { message_id: `m${index}`, text, status: "cancelled" }),
  );
  const { container } = render(<PrintedTalk title="Queues" printedOn="today" messages={messages} />);
  const paper = container.querySelector<HTMLElement>("main") ?? container;
  paper.style.cssText = "display: block; inline-size: 600px";
  return paper;
}

function isCut(element: Element): boolean {
  return element.scrollWidth > element.clientWidth && element.clientWidth > 0;
}

it("nothing is cut off where paper ends, for paper does not scroll", () => {
  const paper = printed(...WIDE);
  expect(paper.clientWidth).toBe(600);
  const cut = [paper, ...paper.querySelectorAll("*")].filter(isCut);
  expect(cut.map(({ tagName, textContent }) => `${tagName}: ${textContent}`)).toEqual([]);
});

it("a reply that broke off in the midst of bold words shows no stars", () => {
  const paper = printed("Look at **what they d");
  expect(paper.querySelector("strong")?.textContent).toBe("what they d");
  expect(paper.textContent).not.toContain("**");
});
