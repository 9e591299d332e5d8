/** The pure step from a session's state and events to the next state. */
import type { MessageView, RunView, StreamEvent } from "../api/wire";
import { followingEvents } from "./sequence";
import type { Run, SessionState } from "./session-state";

interface Draft {
  phase: SessionState["phase"];
  session: SessionState["session"];
  order: readonly string[];
  messages: Map<string, MessageView>;
  runs: Map<string, Run>;
}

export interface Reduced<State> {
  state: State;
  isGap: boolean;
}

/** Applies what follows; a batch may repeat, overlap or have a hole. */
export function reduceSession(
  state: SessionState,
  batch: readonly StreamEvent[],
): Reduced<SessionState> {
  const { events, isGap } = followingEvents(state.seq, batch);
  const last = events.at(-1);
  if (last === undefined) return { state, isGap };
  const draft: Draft = {
    phase: state.phase,
    session: state.session,
    order: state.order,
    messages: new Map(state.messages),
    runs: new Map(state.runs),
  };
  for (const event of events) apply(draft, event);
  return { state: { ...state, ...draft, seq: last.seq }, isGap };
}

function apply(draft: Draft, event: StreamEvent): void {
  switch (event.type) {
    case "session.created":
    case "session.updated":
      draft.session = event.data.session;
      return;
    case "session.deleted":
      draft.phase = "gone";
      return;
    case "message.accepted":
      addMessage(draft, {
        ...messageOf(event, event.data.message_id),
        role: "founder",
        text: event.data.text,
        status: "complete",
        run_id: event.data.run_id,
        request_id: event.data.request_id,
        finished_at: event.ts,
      });
      return;
    case "message.copied":
      addMessage(draft, event.data.message);
      return;
    case "message.started":
      addMessage(draft, {
        ...messageOf(event, event.data.message_id),
        agent: event.data.agent,
      });
      return;
    case "message.delta":
      changeMessage(draft, event.data.message_id, (message) => ({
        text: message.text + event.data.text,
      }));
      return;
    case "message.finished":
      changeMessage(draft, event.data.message_id, () => ({
        status: event.data.status,
        finished_at: event.ts,
      }));
      return;
    case "suggestions":
      changeMessage(draft, event.data.message_id, () => ({
        suggestions: event.data.suggestions,
      }));
      return;
    case "message.feedback":
      changeMessage(draft, event.data.message_id, () => ({
        feedback: event.data.value,
      }));
      return;
    case "message.queued":
      for (const run of draft.runs.values()) {
        if (run.message_id !== event.data.message_id) continue;
        changeRun(draft, run.run_id, () => ({ position: event.data.position }));
      }
      return;
    default:
      applyToRun(draft, event);
  }
}

type RunEvent = Exclude<
  StreamEvent,
  { type: `session.${string}` | `message.${string}` | "suggestions" }
>;

function applyToRun(draft: Draft, event: RunEvent): void {
  if (event.type === "run.created") {
    draft.runs.set(event.data.run_id, createdRun(event));
    return;
  }
  if (event.run_id !== null) changeRun(draft, event.run_id, (run) => changeOf(run, event));
}

function changeOf(
  run: Run,
  event: Exclude<RunEvent, { type: "run.created" }>,
): Partial<Run> {
  switch (event.type) {
    case "run.queued":
      return { state: "dispatched", position: event.data.position };
    case "run.started":
      return { state: "running", position: null, crew: event.data, started_at: event.ts };
    case "step.started":
      return {
        state: "running",
        position: null,
        steps: [
          ...run.steps.filter((step) => step.step_id !== event.data.step_id),
          { ...event.data, status: "running", started_at: event.ts, duration_ms: null },
        ],
      };
    case "step.finished":
      return {
        steps: run.steps.map((step) =>
          step.step_id === event.data.step_id
            ? { ...step, status: event.data.status, duration_ms: event.data.duration_ms }
            : step,
        ),
      };
    case "tool.started": {
      const { tool_call_id, step_id, title } = event.data;
      const call = { tool_call_id, step_id, title, started_at: event.ts };
      return {
        tools: [...run.tools, { ...call, status: "running", duration_ms: null }],
      };
    }
    case "tool.finished":
      return {
        tools: run.tools.map((call) =>
          call.tool_call_id === event.data.tool_call_id
            ? { ...call, status: event.data.status, duration_ms: event.data.duration_ms }
            : call,
        ),
      };
    case "usage":
      return {
        prompt_tokens: run.prompt_tokens + event.data.prompt_tokens,
        completion_tokens: run.completion_tokens + event.data.completion_tokens,
      };
    case "run.finished":
      return { state: "finished", ended_at: event.ts };
    case "run.failed":
      return { state: "failed", error: event.data, ended_at: event.ts };
    case "run.cancelled":
      return { state: "cancelled", ended_at: event.ts };
    default:
      return unknownEvent(event);
  }
}

/** A newer gateway may say more than this page knows: that is not an error. */
function unknownEvent(_event: never): Partial<Run> {
  return {};
}

function createdRun(event: Extract<StreamEvent, { type: "run.created" }>): Run {
  return {
    run_id: event.data.run_id,
    session_id: sessionIdOf(event.stream),
    trigger: event.data.trigger,
    message_id: event.data.message_id,
    parent_run_id: event.data.parent_run_id,
    state: "queued",
    position: null,
    crew: null,
    error: null,
    prompt_tokens: 0,
    completion_tokens: 0,
    steps: [],
    tools: [],
    created_at: event.ts,
    started_at: null,
    ended_at: null,
  } satisfies Run & RunView;
}

function messageOf(event: StreamEvent, messageId: string): MessageView {
  return {
    message_id: messageId,
    session_id: sessionIdOf(event.stream),
    role: "coach",
    text: "",
    status: "streaming",
    seq: event.seq,
    run_id: event.run_id,
    request_id: null,
    agent: null,
    suggestions: [],
    feedback: "none",
    created_at: event.ts,
    finished_at: null,
  };
}

function sessionIdOf(stream: string): string {
  return stream.slice(stream.indexOf(":") + 1);
}

function addMessage(draft: Draft, message: MessageView): void {
  if (!draft.messages.has(message.message_id)) {
    draft.order = [...draft.order, message.message_id];
  }
  draft.messages.set(message.message_id, message);
}

function changeMessage(
  draft: Draft,
  id: string,
  change: (message: MessageView) => Partial<MessageView>,
): void {
  const message = draft.messages.get(id);
  if (message) draft.messages.set(id, { ...message, ...change(message) });
}

function changeRun(draft: Draft, id: string, change: (run: Run) => Partial<Run>): void {
  const run = draft.runs.get(id);
  if (run) draft.runs.set(id, { ...run, ...change(run) });
}
