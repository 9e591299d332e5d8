"""What is known about one crew at one moment: all that a decision may rest on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from libs.crewspec.credentials import Credentials
from libs.crewspec.packages import Packages
from libs.crewspec.status import CrewStatus, DocumentStatus

__all__ = [
    "DURATION_BOUNDS_MS",
    "CrewObject",
    "FleetView",
    "Observed",
    "ObservedDocument",
    "ProbeOutcome",
    "RevisionObject",
    "RevisionStats",
    "Settings",
]

DURATION_BOUNDS_MS = tuple(62.5 * (1 << index) for index in range(16))
"""Upper bounds of the places of a histogram of durations; a last place is beyond."""


@dataclass(frozen=True, slots=True)
class CrewObject:
    """A Crew as the API server has it.

    `key` is its name at home, `namespace/name` elsewhere; `manifest` is the whole
    object; `status` what was told last, None when nothing was.
    """

    key: str
    name: str
    namespace: str
    uid: str
    generation: int
    annotations: Mapping[str, str]
    manifest: Mapping[str, Any]
    status: CrewStatus | None


@dataclass(frozen=True, slots=True)
class RevisionObject:
    """A CrewRevision that the crew owns."""

    name: str
    digest: str
    content: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ProbeOutcome:
    """How one probe went: the reply with those who wrote it, or why there is none.

    An outcome from before its roll-out began, or before somebody asked, does not count.
    """

    text: str
    agents: tuple[str, ...]
    error: str
    duration_ms: int
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class RevisionStats:
    """Runs of one revision since the present candidate was assigned, fleet-wide.

    `durations` counts them by the places of DURATION_BOUNDS_MS and one beyond.
    """

    turns: int = 0
    errors: int = 0
    durations: tuple[int, ...] = (0,) * (len(DURATION_BOUNDS_MS) + 1)


@dataclass(frozen=True, slots=True)
class FleetView:
    """Orchestrators, as far as they concern one crew.

    `desired` counts the ready endpoints of the fleet, or the orchestrators that
    answered where those are more, None while the endpoints are not known;
    `serving` maps an orchestrator's instance id to the digests of this crew that it
    said are in force; `refused` maps digests to what the orchestrators that refuse
    them say, by instance. `stats` and `probes` are by digest, probes by name too.
    """

    desired: int | None = None
    serving: Mapping[str, frozenset[str]] = field(default_factory=dict)
    refused: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    stats: Mapping[str, RevisionStats] = field(default_factory=dict)
    probes: Mapping[str, Mapping[str, ProbeOutcome]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator was told at its start.

    `home` is the namespace whose crews go by their bare names.
    """

    home: str
    packages: Packages
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class Observed:
    """One crew with all that it depends on.

    `documents` are the manifests of the agents, models, tools and policies that it
    names, directly or not, as far as they are there. `taken_triggers` maps triggers
    to the older crew of the namespace that answers them. `secrets` maps
    (namespace, Secret, key) to the resourceVersion, None where there is no such key;
    references that are not declared are not in it.
    """

    crew: CrewObject
    documents: Sequence[Mapping[str, Any]]
    taken_triggers: Mapping[str, str]
    revisions: Sequence[RevisionObject]
    secrets: Mapping[tuple[str, str, str], str | None]
    fleet: FleetView
    now: datetime


@dataclass(frozen=True, slots=True)
class ObservedDocument:
    """A model, tool, policy or agent with all that it depends on.

    `documents` are the manifests of those that an agent names, as far as they are
    there; `used_by` counts the crews that name it; `secrets` is as for a crew;
    `status` is what was told last.
    """

    manifest: Mapping[str, Any]
    documents: Sequence[Mapping[str, Any]]
    used_by: int
    secrets: Mapping[tuple[str, str, str], str | None]
    status: DocumentStatus | None
    now: datetime
