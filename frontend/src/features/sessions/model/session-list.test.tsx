// @vitest-environment jsdom
import { renderHook } from "@testing-library/react";
import type { ReactNode } from "react";
import { afterEach, expect, it } from "vitest";

import type { SessionView } from "@/shared/api/wire";
import { ClientContext } from "@/shared/client";
import { inListOrder } from "@/shared/streams/founder-state";
import { createTestClient, sessionView } from "@/test/chat-harness";

import { groupedByDay, useSessionCommand, useSessionList } from "./session-list";

const answers: Response[] = [];
const asked: string[] = [];

function wrapper({ children }: { children: ReactNode }): ReactNode {
  const client = createTestClient((path) => {
    asked.push(String(path));
    return Promise.resolve(answers.shift() ?? Response.json({}, { status: 500 }));
  });
  return <ClientContext value={client}>{children}</ClientContext>;
}

afterEach(() => {
  answers.length = 0;
  asked.length = 0;
});

function used(day: number, change: Partial<SessionView> = {}): SessionView {
  const updated_at = new Date(2026, 5, day, 12).toISOString();
  return sessionView({ session_id: `s${day}`, updated_at, ...change });
}

function pageOf(day: number, next_cursor: string | null): Response {
  return Response.json({ sessions: [used(day, { archived: true })], next_cursor });
}

it("a session that another tab deleted is deleted", async () => {
  const refusal = { code: "session_unknown", detail: "gone", retryable: false };
  answers.push(Response.json(refusal, { status: 404 }));
  const { result } = renderHook(useSessionCommand, { wrapper });
  const command = { type: "session.delete", session_id: "s", request_id: "q" } as const;
  expect(await result.current(command)).toBe(true);
});

it("pinned sessions stand first, in a group of their own", () => {
  const views = inListOrder([used(1, { pinned: true }), used(8), used(9)]);
  const groups = groupedByDay(views, new Date(2026, 5, 9, 20));
  expect(groups.map(({ title }) => title)).toEqual(["Pinned", "Today", "Yesterday"]);
});

it("the archive can be followed to its end, and keeps its pages when asked anew", async () => {
  answers.push(pageOf(9, "c1"), pageOf(9, "c1"), pageOf(8, null));
  const query = { isArchive: true, search: "" };
  const { result } = renderHook(() => useSessionList(query), { wrapper });
  await expect.poll(() => result.current.sessions.length).toBe(1);
  result.current.loadMore?.();
  await expect.poll(() => result.current.sessions.length).toBe(2);
  expect(result.current.loadMore).toBeNull();
  expect(asked.at(-1)).toContain("cursor=c1");
});
