"""An engine that does what a script says; held to the same contract as CrewAI's."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from libs.crewspec.compiled import CompiledTask
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

__all__ = ["Call", "Fail", "Pause", "Say", "Script", "ScriptedEngine", "WaitFor"]


@dataclass(frozen=True, slots=True)
class Say:
    """Speak, piece by piece."""

    pieces: Sequence[str]


@dataclass(frozen=True, slots=True)
class Call:
    """Call a tool."""

    tool: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Take some time."""

    seconds: float


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Go on when the event is set."""

    event: asyncio.Event


@dataclass(frozen=True, slots=True)
class Fail:
    """Raise an error."""

    error: Exception


Action = Say | Call | Pause | WaitFor | Fail
Script = Sequence[Action]


def hello(_plan: RunPlan) -> Script:
    """Say hello in three pieces."""
    return [Say(["Hello", " ", "founder."])]


@dataclass(slots=True)
class ScriptedEngine:
    """Plays `script_for(plan)` in every task that streams the reply."""

    script_for: Callable[[RunPlan], Script] = hello
    executions: Counter[str] = field(default_factory=Counter)
    cancelled: set[str] = field(default_factory=set)
    plans: list[RunPlan] = field(default_factory=list)
    warm_ups: int = 0
    is_closed: bool = False
    stuck_tool_threads: int = 0

    async def warm_up(self) -> None:
        """Count the call."""
        self.warm_ups += 1

    async def aclose(self) -> None:
        """Remember the call."""
        self.is_closed = True

    async def run(self, plan: RunPlan, emit: Emit) -> None:
        """Play the script once per task that is not finished yet."""
        self.executions[plan.run_id] += 1
        self.plans.append(plan)
        for task in plan.crew.tasks:
            step_id = f"{plan.run_id}/{task.name}"
            emit(StepStarted(step_id, task.name, task.agent, task.title))
            if task.name in plan.finished_steps:
                output = plan.finished_steps[task.name]
                emit(
                    StepFinished(
                        step_id, task.name, EndStatus.COMPLETE, 0, output, reused=True
                    )
                )
                continue
            try:
                output = await _Performance(plan, task, emit).play(
                    self.script_for(plan)
                )
            except asyncio.CancelledError:
                self.cancelled.add(plan.run_id)
                emit(StepFinished(step_id, task.name, EndStatus.CANCELLED, 0))
                raise
            except Exception:
                emit(StepFinished(step_id, task.name, EndStatus.FAILED, 0))
                raise
            emit(StepFinished(step_id, task.name, EndStatus.COMPLETE, 0, output))


@dataclass(slots=True)
class _Performance:
    plan: RunPlan
    task: CompiledTask
    emit: Emit
    text: str = ""
    calls: int = 0

    @property
    def message_id(self) -> str:
        return f"{self.plan.run_id}/message"

    async def play(self, script: Script) -> str:
        try:
            for action in script:
                await self._perform(action)
        except asyncio.CancelledError:
            self._close(EndStatus.CANCELLED)
            raise
        except Exception:
            self._close(EndStatus.FAILED)
            raise
        self.emit(UsageTold("simulated", 10, len(self.text.split())))
        self._close(EndStatus.COMPLETE)
        if self.task.suggestions and self.text:
            replies = tuple(Suggestion(label, label) for label in ("Yes", "No"))
            self.emit(SuggestionsOffered(self.message_id, replies))
        return self.text

    async def _perform(self, action: Action) -> None:
        match action:
            case Say():
                for piece in action.pieces:
                    await self._say(piece)
            case Call():
                self.calls += 1
                call_id = f"{self.plan.run_id}/{self.calls}"
                step_id = f"{self.plan.run_id}/{self.task.name}"
                self.emit(ToolStarted(call_id, step_id, action.tool, "Looking it up"))
                self.emit(ToolFinished(call_id, EndStatus.COMPLETE, 0))
            case Pause():
                await asyncio.sleep(action.seconds)
            case WaitFor():
                await action.event.wait()
            case Fail():
                raise action.error

    async def _say(self, piece: str) -> None:
        if not self.text:
            self.emit(MessageStarted(self.message_id, self.task.agent))
        self.text += piece
        self.emit(MessageDelta(self.message_id, piece))
        await asyncio.sleep(0)

    def _close(self, status: EndStatus) -> None:
        if self.text:
            self.emit(MessageFinished(self.message_id, status))
