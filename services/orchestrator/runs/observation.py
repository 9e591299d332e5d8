"""What is counted, traced and logged of one run, besides what its founder sees.

An observer hears the run's events, never a piece of text, and turns them into
metrics and spans: run → step → model call, tool call.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, assert_never

import structlog

from libs.telemetry import NO_SPAN, NO_TRACER, Span, SpanKind, Tracer, trace_id_of
from services.orchestrator.engine import (
    EndStatus,
    EngineEvent,
    RunPlan,
    StepFinished,
    StepStarted,
    ToolFinished,
    ToolStarted,
    UsageTold,
)
from services.orchestrator.guardrails import RuleApplied, rule_observer
from services.orchestrator.metrics import Metrics
from services.orchestrator.model_calls import ModelCalled, model_observer
from services.orchestrator.runs.events import (
    RunCancelled,
    RunFailed,
    RunFinished,
    RunOutcome,
)
from services.orchestrator.tool_names import called_name

__all__ = ["Observation", "RunObserver"]

_logger = structlog.get_logger(__name__)

_CANCELLED: Final = "cancelled"
_MAX_PROMPT_CHARACTERS: Final = 32_768


@dataclass(frozen=True, slots=True)
class Observation:
    """Where observers put what they hear."""

    metrics: Metrics
    tracer: Tracer = NO_TRACER
    logs_prompts: bool = False
    traces_prompts: bool = False


class RunObserver:
    """Hears one run from its arrival to its end."""

    def __init__(
        self, observation: Observation, plan: RunPlan, *, traceparent: str = ""
    ) -> None:
        self._observation = observation
        self._metrics = observation.metrics
        self._tool_names = {called_name(name): name for name in plan.live.tools}
        self._steps: dict[str, Span] = {}
        self._tools: dict[str, tuple[str, Span]] = {}
        self._run = NO_SPAN
        if observation.tracer.is_on:
            self._run = observation.tracer.start(
                f"run {plan.crew.name}",
                kind=SpanKind.SERVER,
                parent=traceparent,
                attributes=_run_attributes(plan),
            )

    @property
    def traceparent(self) -> str:
        """The run's span, for whoever attaches to it."""
        return self._run.traceparent

    def bind(self, plan: RunPlan) -> None:
        """Hear this task's model calls and rules; put the run's ids into its logs."""
        model_observer.set(self.hear_model)
        rule_observer.set(self.hear_rule)
        ids = {
            "run_id": plan.run_id,
            "session_id": plan.session_id,
            "founder_ref": plan.founder_ref,
        }
        if self._run.traceparent:
            ids["trace_id"] = trace_id_of(self._run.traceparent)
        structlog.contextvars.bind_contextvars(**ids)

    def hear(self, event: EngineEvent) -> None:
        """Take an event that is no piece of text."""
        match event:
            case UsageTold():
                self._count_tokens(event)
            case StepStarted():
                self._begin_step(event)
            case StepFinished():
                _end(self._steps.pop(event.step_id, NO_SPAN), event.status)
            case ToolStarted():
                self._begin_tool(event)
            case ToolFinished():
                self._end_tool(event)
            case _:
                pass

    def hear_rule(self, applied: RuleApplied) -> None:
        """Take a guardrail rule that had something to do."""
        rule, kind = applied.rule.value, applied.kind
        self._metrics.rules_applied.labels(rule, kind).inc(applied.count)
        _logger.info(
            "guardrail applied",
            rule=rule,
            kind=kind,
            place=applied.place,
            count=applied.count,
        )

    def hear_model(self, call: ModelCalled) -> None:
        """Take a model call that ended, however it did."""
        metrics, model = self._metrics, call.model
        metrics.llm_request_seconds.labels(model).observe(call.duration_seconds)
        if call.first_text_seconds is not None:
            metrics.llm_first_text_seconds.labels(model).observe(
                call.first_text_seconds
            )
        if call.error_code:
            metrics.llm_errors.labels(model, call.error_code).inc()
        self._log_call(call)
        if self._observation.tracer.is_on:
            self._trace_call(call)

    def end(self, outcome: RunOutcome) -> None:
        """Take the run's end; spans that are still open end with it."""
        match outcome:
            case RunFinished():
                told, code = "finished", ""
            case RunFailed():
                told, code = "failed", outcome.error.code
            case RunCancelled():
                told, code = _CANCELLED, _CANCELLED
            case _:
                assert_never(outcome)
        open_spans = [
            *(span for _, span in self._tools.values()),
            *self._steps.values(),
        ]
        for span in open_spans:
            span.fail(code or "failed")
            span.end()
        self._run.put({"venturebots.run.outcome": told})
        if code:
            self._run.fail(code)
        self._run.end()

    def _count_tokens(self, usage: UsageTold) -> None:
        tokens = self._metrics.tokens
        tokens.labels(usage.model, "prompt").inc(usage.prompt_tokens)
        tokens.labels(usage.model, "completion").inc(usage.completion_tokens)

    def _begin_step(self, step: StepStarted) -> None:
        if not self._observation.tracer.is_on:
            return
        self._steps[step.step_id] = self._observation.tracer.start(
            f"invoke_agent {step.agent}",
            parent=self._run.traceparent,
            attributes={
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": step.agent,
                "venturebots.step.id": step.step_id,
                "venturebots.task": step.task,
            },
        )

    def _begin_tool(self, tool: ToolStarted) -> None:
        # A model may ask for any name: only those that exist become labels.
        name = self._tool_names.get(tool.tool, "unknown")
        span = NO_SPAN
        if self._observation.tracer.is_on:
            span = self._observation.tracer.start(
                f"execute_tool {name}",
                parent=self._steps.get(tool.step_id, self._run).traceparent,
                attributes={
                    "gen_ai.operation.name": "execute_tool",
                    "gen_ai.tool.name": name,
                    "gen_ai.tool.call.id": tool.tool_call_id,
                    "gen_ai.tool.type": "function",
                },
            )
        self._tools[tool.tool_call_id] = name, span

    def _end_tool(self, ended: ToolFinished) -> None:
        name, span = self._tools.pop(ended.tool_call_id, ("unknown", NO_SPAN))
        status = ended.status.value
        self._metrics.tool_calls.labels(name, status).inc()
        self._metrics.tool_seconds.labels(name).observe(ended.duration_ms / 1_000)
        _end(span, ended.status)

    def _log_call(self, call: ModelCalled) -> None:
        told: dict[str, object] = {
            "model": call.model,
            "duration_ms": round(call.duration_seconds * 1_000),
            "prompt_tokens": call.prompt_tokens,
            "completion_tokens": call.completion_tokens,
            "code": call.error_code,
        }
        if self._observation.logs_prompts:
            told |= {"messages": list(call.messages), "output": call.output}
            _logger.info("model called", **told)
        elif call.error_code and call.error_code != _CANCELLED:
            _logger.warning("model call failed", **told)
        else:
            _logger.debug("model called", **told)

    def _trace_call(self, call: ModelCalled) -> None:
        attributes: dict[str, str | int | float | tuple[str, ...]] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": call.provider,
            "gen_ai.request.model": call.request_model,
            "venturebots.model": call.model,
            "gen_ai.usage.input_tokens": call.prompt_tokens,
            "gen_ai.usage.output_tokens": call.completion_tokens,
        }
        if call.finish_reason:
            attributes["gen_ai.response.finish_reasons"] = (call.finish_reason,)
        if call.first_text_seconds is not None:
            attributes["gen_ai.response.time_to_first_chunk"] = call.first_text_seconds
        if self._observation.traces_prompts:
            attributes["gen_ai.input.messages"] = _as_json(call.messages)
            attributes["gen_ai.output.messages"] = _as_json(
                [{"role": "assistant", "content": call.output}]
            )
        span = self._observation.tracer.start(
            f"chat {call.request_model}",
            kind=SpanKind.CLIENT,
            parent=self._steps.get(call.step_id, self._run).traceparent,
            attributes=attributes,
            began_ns=call.began_ns,
        )
        if call.error_code:
            span.fail(call.error_code)
        span.end()


def _run_attributes(plan: RunPlan) -> Mapping[str, str]:
    return {
        "gen_ai.conversation.id": plan.session_id,
        "venturebots.run.id": plan.run_id,
        "venturebots.founder.ref": plan.founder_ref,
        "venturebots.crew": plan.crew.name,
        "venturebots.crew.digest": plan.crew.digest,
    }


def _end(span: Span, status: EndStatus) -> None:
    if status is not EndStatus.COMPLETE:
        span.fail(status.value)
    span.end()


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:_MAX_PROMPT_CHARACTERS]
