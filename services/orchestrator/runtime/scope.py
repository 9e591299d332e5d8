"""What one run and its steps share: events told, limits counted, outputs kept.

Executor and model adapters find it in a context variable, because CrewAI passes
nothing of ours through; threads of tools get a copy of the context.
"""

import asyncio
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import ContextVar
from dataclasses import dataclass, field

from libs.crewspec.compiled import (
    CompiledTask,
    PolicyDocument,
    TaskOutput,
    ToolDocument,
)
from services.orchestrator.engine import (
    Emit,
    EndStatus,
    MessageDelta,
    MessageFinished,
    MessageStarted,
    RunPlan,
    StepFinished,
    StepStarted,
    SuggestionsOffered,
    ToolFinished,
    ToolStarted,
)
from services.orchestrator.errors import (
    LLMBadOutputError,
    OutputLimitError,
    ToolLimitError,
)
from services.orchestrator.runtime.reply import ReplySplitter

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
    """One run: its plan, where its events go, and what it has used up."""

    plan: RunPlan
    emit: Emit
    loop: asyncio.AbstractEventLoop
    tool_pool: Executor
    limits: PolicyDocument
    tools: dict[str, ToolDocument] = field(default_factory=dict)
    tool_calls: int = 0
    characters: int = 0

    def task_named(self, name: str | None) -> CompiledTask:
        """The compiled task behind a task of the crew."""
        return next(task for task in self.plan.crew.tasks if task.name == name)

    def count_tool_calls(self, calls: int) -> None:
        """Charge tool calls against the policy.

        Raises:
            ToolLimitError: The run would call tools more often than it may.

        """
        self.tool_calls += calls
        if self.tool_calls > self.limits.max_tool_calls:
            raise ToolLimitError(
                f"run {self.plan.run_id} wanted more than"
                f" {self.limits.max_tool_calls} tool calls"
            )

    def count_characters(self, characters: int) -> None:
        """Charge text of a model against the policy.

        Raises:
            OutputLimitError: The run wrote more than it may.

        """
        self.characters += characters
        if self.characters > self.limits.max_output_characters:
            raise OutputLimitError(
                f"run {self.plan.run_id} wrote more than"
                f" {self.limits.max_output_characters} characters"
            )


class StepScope:
    """One step: tells its events in order and ends whatever it began."""

    def __init__(self, run: RunScope, task: CompiledTask) -> None:
        self.run = run
        self.task = task
        self.step_id = stable_id(run.plan, "step", task.name)
        self._message_id = stable_id(run.plan, "message", task.name)
        self._is_shown = task.output is TaskOutput.REPLY
        self._reply = ReplySplitter(suggestions=task.suggestions)
        self._text: list[str] = []
        self._message_is_open = False
        self._open_tools: dict[str, float] = {}
        self._tools_started = 0
        self._paragraph_is_due = False
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

        """
        self.run.count_characters(len(piece))
        if self._paragraph_is_due and piece.strip():
            self._paragraph_is_due = False
            piece = f"\n\n{piece.lstrip()}"
        text = self._reply.feed(piece)
        if text:
            self._show(text)

    def end_model_call(self) -> None:
        """Begin a new paragraph with the next text: another call follows."""
        self._paragraph_is_due = True

    def _show(self, text: str) -> None:
        self._text.append(text)
        if not self._is_shown:
            return
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

    def complete(self) -> str:
        """End message and step well; returns the step's output.

        Raises:
            LLMBadOutputError: The model gave no text at all.

        """
        tail, suggestions = self._reply.finish()
        if tail:
            self._show(tail)
        output = "".join(self._text)
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

    def abandon(self, status: EndStatus) -> None:
        """End everything that is still open with a status that is not complete."""
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
