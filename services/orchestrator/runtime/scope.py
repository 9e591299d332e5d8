"""What one run and its steps share: events told, limits counted, outputs kept.

Executor and model adapters find it in a context variable, because CrewAI passes
nothing of ours through; threads of tools get a copy of the context.
"""

import asyncio
import time
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

from libs.crewspec.compiled import CompiledTask, TaskOutput, ToolDocument
from services.orchestrator.engine import (
    Emit,
    EndStatus,
    MessageDelta,
    MessageFinished,
    MessageStarted,
    RunPlan,
    StepFinished,
    StepStarted,
    Suggestion,
    SuggestionsOffered,
    ToolFinished,
    ToolStarted,
    UsageTold,
)
from services.orchestrator.errors import LLMBadOutputError, OutputBlockedError
from services.orchestrator.guardrails import GuardrailRule, RuleApplied, rule_observer
from services.orchestrator.runtime.output_shape import OutputShape, shape_of
from services.orchestrator.runtime.policies.input_rules import InputRules
from services.orchestrator.runtime.policies.limits import Budget
from services.orchestrator.runtime.policies.output_window import (
    OutputRules,
    OutputWindow,
)
from services.orchestrator.runtime.reply import ReplySplitter
from services.orchestrator.runtime.tool_pool import ToolPool

__all__ = [
    "RunScope",
    "StepScope",
    "TokenTap",
    "current_run",
    "current_step",
    "stable_id",
]

TokenTap = Callable[[str], None]
"""Takes each piece of text a model streams; raises to stop the call."""


def stable_id(plan: RunPlan, kind: str, name: str) -> str:
    """An id that a second execution of the same run would give again."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{plan.run_id}/{kind}/{name}"))


@dataclass(slots=True)
class RunScope:
    """One run: its plan, where its events go, its rules and what it has used up."""

    plan: RunPlan
    emit: Emit
    loop: asyncio.AbstractEventLoop
    tool_pool: ToolPool
    budget: Budget
    input_rules: InputRules
    output_rules: OutputRules | None = None
    tools: dict[str, ToolDocument] = field(default_factory=dict)

    def task_named(self, name: str | None) -> CompiledTask:
        """The compiled task behind a task of the crew."""
        return next(task for task in self.plan.crew.tasks if task.name == name)

    def note_call(self, told: UsageTold | None, finish_reason: str | None) -> None:
        """Charge a model call that ended, and tell what the provider reported."""
        used = 0 if told is None else told.completion_tokens
        self.budget.note_usage(used, finish_reason)
        if told is not None:
            self.emit(told)


class StepScope:
    """One step: tells its events in order and ends whatever it began."""

    def __init__(self, run: RunScope, task: CompiledTask) -> None:
        self.run = run
        self.task = task
        self.step_id = stable_id(run.plan, "step", task.name)
        self._message_id = stable_id(run.plan, "message", task.name)
        self._is_shown = task.output is TaskOutput.REPLY
        self.shape: OutputShape | None = shape_of(task)
        self._reply = ReplySplitter(suggestions=task.suggestions)
        rules = run.output_rules
        self._window = OutputWindow(rules) if rules and self._is_shown else None
        self._text: list[str] = []
        self._message_is_open = False
        self._open_tools: dict[str, float] = {}
        self._tools_started = 0
        self._paragraph_is_due = False
        self._awaits_text = True
        self.first_text_at: float | None = None
        self._started_at = time.monotonic()

    def begin(self) -> None:
        """Tell that the step began."""
        self._started_at = time.monotonic()
        self.run.emit(
            StepStarted(
                step_id=self.step_id,
                task=self.task.name,
                agent=self.task.agent,
                title=self.task.title,
            )
        )

    def take_text(self, piece: str) -> None:
        """Show what of a streamed piece may be shown.

        Raises:
            OutputLimitError: The run wrote more than it may.
            OutputBlockedError: It wrote what it must not.

        """
        self.run.budget.take_text(len(piece))
        if self._awaits_text and piece.strip():
            self._awaits_text = False
            self.first_text_at = time.monotonic()
            if self._paragraph_is_due:
                self._paragraph_is_due = False
                piece = f"\n\n{piece.lstrip()}"
        text = self._reply.feed(piece)
        if text:
            self._show(text)

    def begin_model_call(self) -> None:
        """Note when the first text of a call comes."""
        self._awaits_text = True
        self.first_text_at = None

    def end_model_call(self) -> None:
        """Begin a new paragraph with the next text: another call follows."""
        self._paragraph_is_due = True

    def _show(self, text: str) -> None:
        self._text.append(text)
        if not self._is_shown:
            return
        if self._window is not None:
            text = self._window.feed(text)
        if text:
            self._let_out(text)

    def _let_out(self, text: str) -> None:
        if not self._message_is_open:
            self._message_is_open = True
            self.run.emit(
                MessageStarted(message_id=self._message_id, agent=self.task.agent)
            )
        self.run.emit(MessageDelta(message_id=self._message_id, text=text))

    def begin_tool(self, tool: str, title: str) -> str:
        """Tell that a tool call began; returns its id."""
        self._tools_started += 1
        call_id = stable_id(
            self.run.plan, "tool", f"{self.task.name}/{self._tools_started}"
        )
        self._open_tools[call_id] = time.monotonic()
        self.run.emit(
            ToolStarted(
                tool_call_id=call_id, step_id=self.step_id, tool=tool, title=title
            )
        )
        return call_id

    def end_tool(self, call_id: str, status: EndStatus) -> None:
        """Tell that a tool call ended; a second time is ignored."""
        started_at = self._open_tools.pop(call_id, None)
        if started_at is not None:
            self.run.emit(
                ToolFinished(
                    tool_call_id=call_id,
                    status=status,
                    duration_ms=_milliseconds_since(started_at),
                )
            )

    def answer_with(self, output: str) -> None:
        """Put checked data in the place of what the model said in this step."""
        self._reply.finish()
        self._text = [output]

    def complete(self) -> str:
        """End message and step well; returns the step's output.

        Raises:
            LLMBadOutputError: The model gave no text at all.
            OutputBlockedError: The end of the text, or of a step that is not
                shown, holds what it must not.

        """
        tail, suggestions = self._reply.finish()
        if tail:
            self._show(tail)
        output = "".join(self._text)
        suggestions = self._release(output, suggestions)
        if not output:
            raise LLMBadOutputError(f"the model gave no text for {self.task.name!r}")
        if self._message_is_open:
            self._end_message(EndStatus.COMPLETE)
            if suggestions:
                self.run.emit(
                    SuggestionsOffered(
                        message_id=self._message_id, suggestions=suggestions
                    )
                )
        self._end_step(EndStatus.COMPLETE, output)
        return output

    def _release(
        self, output: str, suggestions: tuple[Suggestion, ...]
    ) -> tuple[Suggestion, ...]:
        """Let out what was held back; offer no reply that may not be said."""
        rules = self.run.output_rules
        if rules is None:
            return suggestions
        if self._window is None:
            if rules.blocks(output):
                raise OutputBlockedError("a step holds what its policy blocks")
            return suggestions
        held = self._window.finish()
        if held:
            self._let_out(held)
        offered = "\n".join(f"{reply.label}\n{reply.text}" for reply in suggestions)
        return () if offered and rules.blocks(offered) else suggestions

    def note(self, rule: GuardrailRule, kind: str) -> None:
        """Tell the run's observer that a rule was applied in this step."""
        observe = rule_observer.get()
        if observe is not None:
            observe(RuleApplied(rule, kind, self.task.name))

    def abandon(self, status: EndStatus) -> None:
        """End everything that is still open with a status that is not complete.

        What was held back when the run was stopped or failed may have been safe,
        but nobody knows: it is dropped.
        """
        for call_id in tuple(self._open_tools):
            self.end_tool(call_id, status)
        if self._message_is_open:
            self._end_message(status)
        self._end_step(status)

    def _end_message(self, status: EndStatus) -> None:
        self._message_is_open = False
        self.run.emit(MessageFinished(message_id=self._message_id, status=status))

    def _end_step(self, status: EndStatus, output: str = "") -> None:
        self.run.emit(
            StepFinished(
                step_id=self.step_id,
                task=self.task.name,
                status=status,
                duration_ms=_milliseconds_since(self._started_at),
                output=output,
            )
        )


def _milliseconds_since(moment: float) -> int:
    return round((time.monotonic() - moment) * 1000)


current_run: ContextVar[RunScope] = ContextVar("current_run")
"""The run whose task or thread this is."""

current_step: ContextVar[StepScope | None] = ContextVar("current_step", default=None)
"""The step whose model calls and tools these are; it takes their text."""
