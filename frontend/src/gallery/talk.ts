/** A talk in which everything happens that can happen in one. */
import type { MessageView, RunView } from "@/shared/api/wire";
import { messageView } from "@/test/chat-harness";
import { eventsOf } from "@/test/events";

const MARKDOWN = `# A plan

Ask **five** people, *not* friends, about \`the last time\` and [read this](https://example.org).

1. Who has it?
2. How often?
   - daily
   - weekly

- [x] done
- [ ] open

> They said they would pay.

| what | how much |
|---|--:|
| a very-long-word-that-has-no-place-to-break-at-all-anywhere | 12 |

\`\`\`python
def price(people: int, share: float, fee: float) -> float: return people * share * fee * 12
\`\`\`

***

The end.`;

const RTL = `## תוכנית

שאלו **חמישה** אנשים על \`the last time\`.

- ראשון
- שני

> ציטוט

\`\`\`js
const code = "never turned";
\`\`\``;

export function runView(id: string, change: Partial<RunView> = {}): RunView {
  return {
    run_id: id,
    session_id: "s",
    trigger: "message",
    message_id: null,
    parent_run_id: null,
    state: "finished",
    position: null,
    crew: null,
    error: null,
    prompt_tokens: 0,
    completion_tokens: 0,
    steps: [],
    created_at: "2026-01-01T09:00:00.000Z",
    started_at: "2026-01-01T09:00:00.000Z",
    ended_at: "2026-01-01T09:00:04.000Z",
    ...change,
  };
}

const now = new Date().toISOString();
const underWay = { state: "running", created_at: now, started_at: now, ended_at: null } as const;
const step = { agent: "Coach", started_at: now };

const failure = { detail: "", retryable: true, retry_after_ms: null };

export const runs: RunView[] = [
  runView("unanswered-run", { state: "failed", error: { ...failure, code: "llm_timeout" } }),
  runView("thinking", underWay),
  runView("waiting-run", { ...underWay, state: "queued", message_id: "waiting" }),
  runView("in-line", { state: "dispatched", position: 3, ended_at: null }),
  runView("working", {
    ...underWay,
    steps: [
      { ...step, step_id: "s1", task: "a", title: "Looking around", status: "complete", duration_ms: 900 },
      { ...step, step_id: "s2", task: "b", title: "Thinking it through", status: "failed", duration_ms: 80 },
      { ...step, step_id: "s3", task: "c", title: "Replying", status: "running", duration_ms: null },
    ],
  }),
  runView("failed", { state: "failed", error: { ...failure, code: "llm_rate_limited" } }),
  runView("not-yet", {
    state: "failed",
    ended_at: now,
    error: { ...failure, code: "overloaded", retry_after_ms: 600_000 },
  }),
  runView("hopeless", {
    state: "failed",
    error: { ...failure, code: "llm_unauthorized", retryable: false },
  }),
  runView("stopped", { state: "cancelled" }),
];

const coach = (id: string, text: string, change: Partial<MessageView> = {}): MessageView =>
  messageView(2, { message_id: id, text, run_id: null, ...change });

const founder = (id: string, text: string, runId: string | null = null): MessageView =>
  messageView(1, { message_id: id, request_id: id, text, run_id: runId });

export const messages: MessageView[] = [
  founder("asked", "People wait twenty minutes for lunch. Why?"),
  founder("asked-rtl", "אנשים מחכים עשרים דקות לארוחת צהריים. Why?"),
  founder("asked-long", `https://example.org/${"a-word-without-end-".repeat(12)}`),
  founder("unanswered", "Is anybody there?", "unanswered-run"),
  founder("waiting", "And one more thing.", "waiting-run"),
  coach("whole", MARKDOWN, {
    suggestions: ["Because of the queue", "I never asked", "Tell me more"].map((text) => ({
      label: text,
      command: { type: "message.send", text },
    })),
  }),
  coach("whole-rtl", RTL, { feedback: "up" }),
  coach("streaming", "Let us look at **what they do", { status: "streaming" }),
  coach("cancelled", "Half **a", { status: "cancelled" }),
  coach("interrupted", "Half a", { status: "interrupted" }),
  coach("broken", "Half a", { status: "failed" }),
  coach("replaced", "The first attempt", { status: "superseded" }),
];

/** A tool at work in the step at work. */
export const toolEvents = eventsOf(
  [
    {
      type: "tool.started",
      data: { tool_call_id: "t1", step_id: "s1", tool: "look", title: "Looking up a framework" },
    },
    { type: "tool.finished", data: { tool_call_id: "t1", status: "complete", duration_ms: 41 } },
    {
      type: "tool.started",
      data: { tool_call_id: "t2", step_id: "s3", tool: "look", title: "Collecting questions" },
    },
  ],
  "working",
  3,
).map((event) => Object.assign(event, { ts: now }));

/** A talk as it usually is, for whole screens. */
export const plainTalk: MessageView[] = [
  messageView(1, { text: "People wait twenty minutes for lunch.", run_id: null }),
  messageView(2, { text: "Who waits, and **how often**?", run_id: null }),
  messageView(3, { text: "אנשים מחכים עשרים דקות.", run_id: null }),
  messageView(4, { text: "Half a", run_id: null, status: "interrupted" }),
];
