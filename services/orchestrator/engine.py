"""The port between a run and the runtime that executes its crew.

The CrewAI adapter (`runtime/`) and the scripted engine of the tests are held to
one contract test.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from libs.crewspec.compiled import CompiledCrew, LiveDocuments

__all__ = [
    "CrewEngine",
    "Emit",
    "EndStatus",
    "EngineEvent",
    "HistoryMessage",
    "MessageDelta",
    "MessageFinished",
    "MessageStarted",
    "RunPlan",
    "Speaker",
    "StepFinished",
    "StepStarted",
    "Suggestion",
    "SuggestionsOffered",
    "SummaryUpdated",
    "ToolFinished",
    "ToolStarted",
    "UsageTold",
]


class Speaker(StrEnum):
    """Who said an earlier message."""

    FOUNDER = "founder"
    COACH = "coach"


class EndStatus(StrEnum):
    """How a step, tool call or message ended."""

    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class HistoryMessage:
    """One earlier message; messages of one turn share `seq`, 0 is no place."""

    speaker: Speaker
    text: str
    seq: int = 0


@dataclass(frozen=True, slots=True)
class RunPlan:
    """All that one run needs; the crew and the live documents are pinned.

    `message` is None for an opening. `summary` tells what was said before
    `backlog`, the oldest turns it does not cover, which are there when `history`
    has no room for all; turns between the two are missing. `finished_steps` maps
    the names of tasks an earlier attempt finished to their outputs: they are not
    run again. With `stubs_side_effects` tools that change something are not called:
    they answer that they were not.
    """

    run_id: str
    session_id: str
    founder_ref: str
    message: str | None
    crew: CompiledCrew
    live: LiveDocuments
    history: tuple[HistoryMessage, ...] = ()
    backlog: tuple[HistoryMessage, ...] = ()
    summary: str | None = None
    finished_steps: Mapping[str, str] = field(default_factory=dict)
    stubs_side_effects: bool = False


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A task began."""

    step_id: str
    task: str
    agent: str
    title: str


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A task ended; `output` is kept for a retry when it is complete."""

    step_id: str
    task: str
    status: EndStatus
    duration_ms: int
    output: str = ""
    reused: bool = False


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """A tool call began."""

    tool_call_id: str
    step_id: str
    tool: str
    title: str


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool call ended."""

    tool_call_id: str
    status: EndStatus
    duration_ms: int


@dataclass(frozen=True, slots=True)
class MessageStarted:
    """The coach begins a message: emitted with its first text, never before."""

    message_id: str
    agent: str


@dataclass(frozen=True, slots=True)
class MessageDelta:
    """A piece of text, as the model gave it; joining is the run's business."""

    message_id: str
    text: str


@dataclass(frozen=True, slots=True)
class MessageFinished:
    """The message ended."""

    message_id: str
    status: EndStatus


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A reply offered: what the button says and what it sends."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class SuggestionsOffered:
    """2 to 4 replies for a finished message."""

    message_id: str
    suggestions: tuple[Suggestion, ...]


@dataclass(frozen=True, slots=True)
class UsageTold:
    """Tokens one model call used."""

    model: str
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class SummaryUpdated:
    """Turns up to the place `upto_seq` were folded into the text; never shown."""

    text: str
    upto_seq: int


EngineEvent = (
    StepStarted
    | StepFinished
    | ToolStarted
    | ToolFinished
    | MessageStarted
    | MessageDelta
    | MessageFinished
    | SuggestionsOffered
    | UsageTold
    | SummaryUpdated
)

Emit = Callable[[EngineEvent], None]
"""Takes an event in order; never blocks and never raises."""


class CrewEngine(Protocol):
    """Executes the crew of one run."""

    @property
    def stuck_tool_threads(self) -> int:
        """How many threads tools still hold although their time is up."""

    async def warm_up(self) -> None:
        """Pay for imports and first calls before the process says it is ready."""

    async def run(self, plan: RunPlan, emit: Emit) -> None:
        """Execute the plan's crew.

        Returns when the crew finished; raises a `VentureBotsError` when it could
        not, and lets `CancelledError` through within 200 ms of a cancel, the
        upstream request closed. Whatever began (step, tool call, message) has
        been told to have ended before it returns or raises.
        """

    async def aclose(self) -> None:
        """Close connections and threads."""
