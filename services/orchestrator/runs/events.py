"""What a run tells: the engine's events and the run's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from libs.errors import VentureBotsError
from services.orchestrator import engine

__all__ = [
    "MessageEnded",
    "RunCancelled",
    "RunEvent",
    "RunFailed",
    "RunFinished",
    "RunOutcome",
    "RunQueued",
    "RunStarted",
    "RunState",
]


class RunState(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    ACTIVE = "active"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class RunQueued:
    """The run waits; `position` counts itself."""

    position: int


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The run has a place; crew and live documents are pinned."""

    crew: str
    digest: str
    generations: Mapping[str, int]
    instance_id: str


@dataclass(frozen=True, slots=True)
class MessageEnded:
    """A message ended; `length` is the code points of its whole text."""

    message_id: str
    status: engine.EndStatus
    length: int


@dataclass(frozen=True, slots=True)
class RunFinished:
    """Terminal: all went well."""


@dataclass(frozen=True, slots=True)
class RunFailed:
    """Terminal: it did not."""

    error: VentureBotsError


@dataclass(frozen=True, slots=True)
class RunCancelled:
    """Terminal: somebody stopped it."""

    reason: str


RunOutcome = RunFinished | RunFailed | RunCancelled

RunEvent = (
    RunQueued
    | RunStarted
    | engine.StepStarted
    | engine.StepFinished
    | engine.ToolStarted
    | engine.ToolFinished
    | engine.MessageStarted
    | engine.MessageDelta
    | MessageEnded
    | engine.SuggestionsOffered
    | engine.UsageTold
    | engine.SummaryUpdated
    | RunOutcome
)
