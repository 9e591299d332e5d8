/** Builds the events a session's stream would tell, in order. */
import type { StreamEvent } from "@/shared/api/wire";

type Body = StreamEvent extends infer Event
  ? Event extends StreamEvent
    ? Pick<Event, "type" | "data">
    : never
  : never;

export const SESSION = "00000000-0000-4000-8000-000000000001";
export const STREAM = `session:${SESSION}`;

/** Numbers the bodies from `firstSeq` and puts them into envelopes. */
export function eventsOf(bodies: readonly Body[], runId: string, firstSeq = 1): StreamEvent[] {
  return bodies.map(
    (body, index) =>
      ({
        stream: STREAM,
        seq: firstSeq + index,
        ts: new Date(Date.UTC(2026, 0, 1, 0, 0, index)).toISOString(),
        run_id: runId,
        ...body,
      }) as StreamEvent,
  );
}

/** A founder's message, and a reply in the given pieces. */
export function turn(pieces: readonly string[], number = 1): Body[] {
  const run_id = `run-${number}`;
  const question = `question-${number}`;
  const reply = `reply-${number}`;
  return [
    {
      type: "message.accepted",
      data: { message_id: question, request_id: `request-${number}`, text: "Why?", run_id },
    },
    {
      type: "run.created",
      data: { run_id, trigger: "message", message_id: question, parent_run_id: null },
    },
    { type: "run.started", data: { crew: "coaching", digest: "d", generations: {} } },
    {
      type: "step.started",
      data: { step_id: "s1", task: "reply", agent: "Coach", title: "Replying" },
    },
    { type: "message.started", data: { message_id: reply, agent: "Coach" } },
    ...pieces.map(
      (text): Body => ({ type: "message.delta", data: { message_id: reply, text } }),
    ),
    {
      type: "message.finished",
      data: { message_id: reply, status: "complete", length: pieces.join("").length },
    },
    {
      type: "step.finished",
      data: { step_id: "s1", status: "complete", duration_ms: 900, reused: false },
    },
    { type: "run.finished", data: {} },
  ];
}
