import { render, screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { page, userEvent } from "vitest/browser";

import { sendFirst } from "@/features/chat/model/outbox";
import { type Client, ClientContext, createClient } from "@/shared/client";
import { navigate } from "@/shared/navigation";
import { keepFocus } from "@/shared/ui/kept-focus";
import { FakeGateway } from "@/test/fake-gateway";

import { App } from "./app";
import { followTheme } from "./theme";

let gateway: FakeGateway;
let client: Client;
let stopKeeping = (): void => {};

beforeEach(async () => {
  await page.viewport(1_200, 800);
  localStorage.clear();
  gateway = new FakeGateway();
  vi.stubGlobal("WebSocket", gateway.globals.WebSocket);
  vi.stubGlobal("fetch", gateway.globals.fetch);
  navigate("/", { isReplacing: true });
  followTheme();
  stopKeeping = keepFocus();
  client = createClient({ sendFirst });
  client.connection.start();
  render(
    <ClientContext value={client}>
      <App />
    </ClientContext>,
  );
});

afterEach(() => {
  client.connection.stop();
  stopKeeping();
  vi.unstubAllGlobals();
});

async function say(text: string): Promise<void> {
  const area = await screen.findByRole("textbox", { name: "Message" });
  await userEvent.fill(area, text);
  await userEvent.keyboard("{Enter}");
}

/** Picks from the menu of the session that is tried out. */
async function choose(action: RegExp): Promise<void> {
  await userEvent.click(screen.getByRole("button", { name: /Actions for (Kettles|Pots)/ }));
  await userEvent.click(await screen.findByRole("menuitem", { name: action }));
}

/** The session that is open and its last run. */
async function underWay(): Promise<{ sessionId: string; runId: string }> {
  await waitFor(() => expect(location.pathname).toContain("/sessions/"));
  const sessionId = location.pathname.split("/")[2] ?? "";
  const log = () => gateway.sessions.get(sessionId)?.log ?? [];
  await waitFor(() => expect(log().at(-1)?.type).toBe("run.created"));
  const last = log().at(-1);
  const runId = last?.type === "run.created" ? last.data.run_id : "";
  return { sessionId, runId };
}

const BEGUN = [
  { type: "run.started", data: { crew: "coaching", digest: "d", generations: {} } },
  { type: "step.started", data: { step_id: "s1", task: "look", agent: "Scout", title: "Looking" } },
  { type: "tool.started", data: { tool_call_id: "t1", step_id: "s1", tool: "x", title: "Searching" } },
  { type: "tool.finished", data: { tool_call_id: "t1", status: "complete", duration_ms: 12 } },
  { type: "step.finished", data: { step_id: "s1", status: "complete", duration_ms: 40, reused: false } },
  { type: "step.started", data: { step_id: "s2", task: "say", agent: "Coach", title: "Replying" } },
] as const;

function replied(id: string, text: string) {
  return [
    { type: "message.started", data: { message_id: id, agent: "Coach" } },
    { type: "message.delta", data: { message_id: id, text } },
    { type: "message.finished", data: { message_id: id, status: "complete", length: text.length } },
    {
      type: "suggestions",
      data: {
        message_id: id,
        suggestions: [{ label: "Go on", command: { type: "message.send", text: "Go on." } }],
      },
    },
    { type: "usage", data: { prompt_tokens: 1, completion_tokens: 2, model: "m" } },
    { type: "run.finished", data: {} },
  ];
}

describe("a conversation", () => {
  it("begins at the start page, shows what the coach does, and goes on by a suggestion", async () => {
    await say("Queues at lunch");
    const { sessionId, runId } = await underWay();
    gateway.tell(sessionId, runId, ...BEGUN);
    expect(await screen.findByText("Searching")).toBeTruthy();
    gateway.tell(sessionId, runId, ...replied("m1", "Who **waits**? And\n\n- why"));
    const reply = await screen.findByRole("article", { name: /VentureBot/ });
    await waitFor(() => expect(reply.dataset["status"]).toBe("complete"));
    await userEvent.click(within(reply).getByRole("button", { name: "Helpful" }));
    await waitFor(() =>
      expect(
        within(reply).getByRole("button", { name: "Helpful" }).getAttribute("aria-pressed"),
      ).toBe("true"),
    );
    await userEvent.click(screen.getByRole("button", { name: "Go on" }));
    await waitFor(() => expect(document.activeElement?.id).toBe("composer"));
    expect(await screen.findByText("Go on.")).toBeTruthy();
  });

  it("waits in line, fails with advice, and is tried again", async () => {
    await say("Queues at lunch");
    const { sessionId, runId } = await underWay();
    gateway.tell(sessionId, runId, { type: "run.queued", data: { position: 3 } });
    const activity = await screen.findByTestId("activity");
    await waitFor(() => expect(activity.textContent).toContain("number 3 in line"));
    const data = { code: "llm_timeout", detail: "", retryable: true, retry_after_ms: null };
    gateway.tell(sessionId, runId, { type: "run.failed", data });
    expect(await screen.findByText("The model took too long")).toBeTruthy();
    await userEvent.click(screen.getByRole("button", { name: "Retry" }));
    await userEvent.click(await screen.findByRole("button", { name: "Stop" }));
    expect(await screen.findByTestId("stopped-note")).toBeTruthy();
    await waitFor(() => expect(document.activeElement?.id).toBe("composer"));
  });

  it("announces a fast reply by its sentences, never by its tokens", async () => {
    await say("Queues at lunch");
    const { sessionId, runId } = await underWay();
    let changes = 0;
    const observer = new MutationObserver((records) => {
      changes += records.filter(({ addedNodes }) => addedNodes.length > 0).length;
    });
    const watched = { childList: true, subtree: true, characterData: true };
    observer.observe(screen.getByTestId("announcer"), watched);
    const sentences = Array.from({ length: 6 }, (_, index) => `This is sentence ${index + 1}. `);
    const tokens = sentences.join("").match(/.{1,4}/gs) ?? [];
    gateway.tell(sessionId, runId, ...BEGUN, {
      type: "message.started",
      data: { message_id: "m1", agent: "Coach" },
    });
    for (const text of tokens) {
      gateway.tell(sessionId, runId, { type: "message.delta", data: { message_id: "m1", text } });
      await new Promise((resolve) => {
        setTimeout(resolve, 10);
      });
    }
    gateway.tell(sessionId, runId, ...replied("m1", "").slice(2));
    await waitFor(() =>
      expect(screen.getByTestId("announcer").textContent).toContain("has answered"),
    );
    observer.disconnect();
    expect(tokens.length).toBeGreaterThan(25);
    // Its beginning and its end are told too.
    expect(changes).toBeLessThanOrEqual(sentences.length + 2);
    expect(changes).toBeGreaterThanOrEqual(3);
  });

  it("keeps what was refused and takes it back into the message box", async () => {
    await say("Queues at lunch");
    await underWay();
    gateway.refusals.set("message.send", { code: "queue_full", retryable: true });
    await say("One more");
    const alert = await screen.findByRole("alert");
    await userEvent.click(within(alert).getByRole("button", { name: "Retry" }));
    await waitFor(() => expect(screen.queryByRole("alert")).toBeNull());
    gateway.refusals.set("message.send", { code: "queue_full", retryable: true });
    await say("And another");
    await userEvent.click(await screen.findByRole("button", { name: /Put back/ }));
    const area = screen.getByRole<HTMLTextAreaElement>("textbox", { name: "Message" });
    expect(area.value).toBe("And another");
  });

  it("keeps what was changed of a message until it was taken, and lets it be", async () => {
    await say("Queues at lunch");
    const { sessionId, runId } = await underWay();
    gateway.tell(sessionId, runId, ...BEGUN, ...replied("m1", "Who waits?"));
    await userEvent.click(await screen.findByRole("button", { name: "Edit and ask again" }));
    const editor = await screen.findByRole<HTMLTextAreaElement>("textbox", { name: "Your message, changed" });
    expect(document.activeElement).toBe(editor);
    gateway.refusals.set("session.branch", { code: "overloaded", retryable: true });
    await userEvent.keyboard(", again{Enter}");
    expect(await screen.findByText(/Too many founders|at its limit/)).toBeTruthy();
    expect(editor.value).toBe("Queues at lunch, again");
    await userEvent.keyboard("{Escape}");
    await waitFor(() => expect(document.activeElement).not.toBe(document.body));
  });

  it("says that the connection is gone, and that it is back", async () => {
    await say("Queues at lunch");
    await underWay();
    gateway.drop(1012);
    const line = screen.getByTestId("connection");
    await waitFor(() => expect(line.dataset["state"]).toBe("connecting"));
    expect(line.textContent).toContain("restarting");
    await waitFor(() => expect(line.dataset["state"]).toBe("live"), { timeout: 20_000 });
  });
});

describe("sessions", () => {
  it("are renamed, pinned, archived, found and deleted", async () => {
    gateway.createSession("Kettles");
    gateway.createSession("Umbrellas");
    await userEvent.click(await screen.findByRole("link", { name: "Kettles" }));
    expect(await screen.findByRole("heading", { name: "Kettles" })).toBeTruthy();
    await choose(/Rename/);
    await userEvent.fill(await screen.findByRole("textbox", { name: "Title" }), "Pots");
    await userEvent.keyboard("{Enter}");
    expect(await screen.findByRole("heading", { name: "Pots" })).toBeTruthy();
    await choose(/Pin/);
    expect(await screen.findByRole("heading", { name: "Pinned" })).toBeTruthy();
    await userEvent.fill(screen.getByRole("searchbox"), "umbr");
    await waitFor(() => expect(screen.queryByRole("link", { name: "Pots" })).toBeNull());
    await userEvent.click(screen.getByRole("button", { name: "Clear the search" }));
    await screen.findByRole("link", { name: "Pots" });
    await choose(/^Archive/);
    await waitFor(() => expect(screen.queryByRole("link", { name: "Pots" })).toBeNull());
    await userEvent.click(screen.getByRole("button", { name: "Archived sessions" }));
    await screen.findByRole("link", { name: "Pots" });
    await choose(/Delete/);
    await userEvent.click(await screen.findByRole("button", { name: "Delete" }));
    await waitFor(() => expect([location.pathname, document.activeElement === document.body]).toEqual(["/", false]));
  });

  it("that are not there are said to be gone, with a way back", async () => {
    navigate("/sessions/00000000-0000-4000-8000-00000000dead");
    const wayOut = await screen.findByRole("button", { name: "Start from the beginning" });
    expect(screen.queryByRole("button", { name: "Export" })).toBeNull();
    await userEvent.click(wayOut);
    await waitFor(() => expect(location.pathname).toBe("/"));
  });

  it("are begun by the coach, and in a drawer on a small screen", async () => {
    await page.viewport(360, 640);
    await userEvent.click(await screen.findByRole("button", { name: "Show sessions" }));
    await userEvent.click(await screen.findByRole("button", { name: "New session" }));
    await waitFor(() => expect(location.pathname).toContain("/sessions/"));
    await waitFor(() => expect(screen.queryByRole("button", { name: "New session" })).toBeNull());
  });
});

describe("the look", () => {
  it("goes from the system's to light to dark, and is kept", async () => {
    const button = await screen.findByRole("button", { name: /Colours/ });
    await userEvent.dblClick(button);
    expect(document.documentElement.dataset["theme"]).toBe("dark");
    expect(localStorage.getItem("vb.theme")).toContain("dark");
    await userEvent.click(button);
    expect(localStorage.getItem("vb.theme")).toBeNull();
  });
});
