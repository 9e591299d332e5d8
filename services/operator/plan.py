"""What is to be done about one crew: nothing here does it."""

from dataclasses import dataclass
from enum import StrEnum

from libs.crewspec.annotations import ANNOTATION_PREFIX, RequestAnnotation
from libs.crewspec.status import CrewRevisionSpec, CrewStatus

__all__ = [
    "ANNOTATION_PREFIX",
    "Assignment",
    "EventToTell",
    "EventType",
    "Plan",
    "ProbeToStart",
    "RequestAnnotation",
    "RevisionToCreate",
]


class EventType(StrEnum):
    """How much an event matters, in Kubernetes' words."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class EventToTell:
    """A transition that people may want to read of."""

    type: EventType
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class RevisionToCreate:
    """A CrewRevision that is not there yet."""

    name: str
    spec: CrewRevisionSpec


@dataclass(frozen=True, slots=True)
class ProbeToStart:
    """One conversation to try on one orchestrator, unless it runs already.

    It is asked for in every plan until its outcome is observed.
    """

    digest: str
    name: str
    message: str | None
    timeout_seconds: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """Which revisions are served to whom; empty digests are none."""

    crew: str
    stable_digest: str
    candidate_digest: str
    candidate_weight: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that follows from what was observed.

    To be done in this order: revisions are created, `assignment` is published (None
    leaves the crew unserved), `status` is written when it differs from what was
    told, annotations are taken away, events are told, probes are started, revisions
    are deleted. After `again_in_seconds` it is looked at anew though nothing changed;
    an annotation that was taken away is a change.
    """

    status: CrewStatus
    assignment: Assignment | None = None
    create: tuple[RevisionToCreate, ...] = ()
    delete: tuple[str, ...] = ()
    clear_annotations: tuple[str, ...] = ()
    events: tuple[EventToTell, ...] = ()
    probes: tuple[ProbeToStart, ...] = ()
    again_in_seconds: float | None = None
