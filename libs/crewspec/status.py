"""What the operator tells about crews and documents: the status of the resources.

Conditions are those of Kubernetes: a type once each, a reason that is stable, the
generation they speak of. `Ready` sums up; `Reconciling` and `Stalled` are what tools
that wait (Helm, Argo CD) look for.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from libs.crewspec.schema import Schema

__all__ = [
    "Condition",
    "ConditionReason",
    "ConditionStatus",
    "ConditionType",
    "CrewRevisionSpec",
    "CrewStatus",
    "DocumentStatus",
    "LastProbe",
    "Orchestrators",
    "Phase",
    "RolloutState",
    "Source",
]

Text = Annotated[str, Field(max_length=1_024)]
Digest = Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$", max_length=71)]
Moment = Annotated[str, Field(max_length=40)]
"""RFC 3339 in UTC; empty when it has not come."""
Number = Annotated[int, Field(ge=0, le=2**53 - 1)]


class ConditionType(StrEnum):
    """What a condition speaks of."""

    ACCEPTED = "Accepted"
    """The spec is valid by itself."""
    RESOLVED_REFS = "ResolvedRefs"
    """All that it names is there, valid and shared with it."""
    PROGRAMMED = "Programmed"
    """Enough orchestrators have the newest revision."""
    READY = "Ready"
    """The newest revision serves everybody it should."""
    RECONCILING = "Reconciling"
    """A roll-out is under way."""
    STALLED = "Stalled"
    """Nothing will change by itself any more."""
    ROLLED_BACK = "RolledBack"
    """The newest revision was given up."""


class ConditionStatus(StrEnum):
    """Whether it is so."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class ConditionReason(StrEnum):
    """Why it is so; the reasons of mistakes are those of `diagnostics.Reason`."""

    PENDING = "Pending"
    ACCEPTED = "Accepted"
    RESOLVED = "Resolved"
    DISTRIBUTING = "Distributing"
    DISTRIBUTED = "Distributed"
    NO_ORCHESTRATORS = "NoOrchestrators"
    REFUSED = "Refused"
    TOO_LARGE = "TooLarge"
    PROBING = "Probing"
    CANARY = "Canary"
    AWAITING_APPROVAL = "AwaitingApproval"
    PAUSED = "Paused"
    SERVING = "Serving"
    PROBE_FAILED = "ProbeFailed"
    WORSE_THAN_STABLE = "WorseThanStable"
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    ABORTED = "Aborted"
    ROLLED_BACK = "RolledBack"
    ROLLED_BACK_ON_REQUEST = "RolledBackOnRequest"
    UP_TO_DATE = "UpToDate"


class _Told(Schema):
    """Made here, by the names of its fields; read back by those it has outside."""

    model_config = ConfigDict(validate_by_name=True)


class Condition(_Told):
    """One claim about a resource."""

    type: ConditionType
    """What is claimed: Accepted, ResolvedRefs, Programmed, Ready, Reconciling, Stalled
    or RolledBack."""
    status: ConditionStatus
    """Whether it is so: True, False or Unknown."""
    reason: Annotated[str, Field(min_length=1, max_length=100)]
    """Why, in one stable word for programs."""
    message: Annotated[str, Field(max_length=2_048)] = ""
    """Why, in a sentence for people."""
    observed_generation: Number = 0
    """The generation of the resource that it speaks of."""
    last_transition_time: Moment = ""
    """When `status` changed last."""


class Source(_Told):
    """A resource a revision was made of."""

    kind: Annotated[str, Field(max_length=63)]
    """Its kind."""
    namespace: Annotated[str, Field(max_length=63)]
    """Its namespace."""
    name: Annotated[str, Field(max_length=253)]
    """Its name."""
    uid: Annotated[str, Field(max_length=63)]
    """Its uid: another resource of the same name has another."""
    generation: Number
    """Its generation at that moment."""


class CrewRevisionSpec(_Told):
    """A revision as it was when it was made; nothing of it ever changes."""

    crew: Annotated[str, Field(max_length=52)]
    """The crew, in the same namespace."""
    digest: Digest
    """The SHA-256 of the content; what runs, metrics and annotations name it by."""
    content: Annotated[str, Field(max_length=900_000)]
    """The crew, its agents and all their text as canonical JSON (RFC 8785)."""
    sources: Annotated[tuple[Source, ...], Field(max_length=100)] = ()
    """The resources it was made of."""


class Phase(StrEnum):
    """Where a crew stands, in one word."""

    PENDING = "Pending"
    INVALID = "Invalid"
    DISTRIBUTING = "Distributing"
    PROBING = "Probing"
    CANARY = "Canary"
    PAUSED = "Paused"
    READY = "Ready"
    ROLLED_BACK = "RolledBack"


class Orchestrators(_Told):
    """Who serves a crew: `updated` of `desired` have its newest revision."""

    desired: Number = 0
    """How many there are."""
    updated: Number = 0
    """How many have the newest revision in force."""
    ready: Number = 0
    """How many serve the crew, in whichever revision."""
    failed: Number = 0
    """How many refuse the newest revision."""


class LastProbe(_Told):
    """How the probes of the newest revision went."""

    digest: Digest = ""
    """The revision that was tried."""
    asked_at: Moment = ""
    """When somebody asked for them; empty when they were part of a roll-out."""
    time: Moment = ""
    """When the last of them ended; empty while they run."""
    passed: Number = 0
    """How many passed."""
    total: Number = 0
    """How many there are."""
    message: Text = ""
    """What the first that failed lacked."""


class RolloutState(_Told):
    """Where a roll-out is; whoever leads goes on from here."""

    digest: Digest = ""
    """The revision that is rolled out."""
    started_at: Moment = ""
    """When it became the candidate."""
    programmed_at: Moment = ""
    """When enough orchestrators had it."""
    probed_at: Moment = ""
    """When it had passed the probes."""
    progressed_at: Moment = ""
    """When it came on last, or was let go on: the deadline counts from here."""
    step: Number = 0
    """The place of the present step, from 0."""
    step_started_at: Moment = ""
    """When the step began."""
    approved_step: Annotated[int, Field(ge=-1, le=100)] = -1
    """The last step that somebody approved; -1 for none."""
    weight: Annotated[int, Field(ge=0, le=100)] = 0
    """The present share of the sessions, in percent."""


class CrewStatus(_Told):
    """All that is told about a crew."""

    observed_generation: Number = 0
    """The generation of the spec that the status speaks of."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=8)] = ()
    """Claims about the resource, one of each type."""
    phase: Phase = Phase.PENDING
    """Where it stands, in one word."""
    newest_digest: Digest = ""
    """Of the spec as it is, and of what it names."""
    stable_digest: Digest = ""
    """Of the revision that is trusted."""
    stable_revision: Annotated[str, Field(max_length=63)] = ""
    """The CrewRevision that holds it."""
    candidate_digest: Digest = ""
    """Of the revision under roll-out; empty when there is none."""
    candidate_revision: Annotated[str, Field(max_length=63)] = ""
    """The CrewRevision that holds it."""
    canary_weight: Annotated[int, Field(ge=0, le=100)] = 0
    """The share of the sessions that get the candidate, in percent."""
    rollout: RolloutState = RolloutState()
    """How far the roll-out is."""
    failed_digests: Annotated[tuple[Digest, ...], Field(max_length=20)] = ()
    """Given up; not tried again before the spec changes."""
    collision_count: Number = 0
    """How often the name of a new CrewRevision was taken by other content."""
    orchestrators: Orchestrators = Orchestrators()
    """How many orchestrators serve it."""
    summary: Annotated[str, Field(max_length=40)] = ""
    """Orchestrators with the newest revision, of all: "2/3"."""
    last_probe: LastProbe = LastProbe()
    """How the probes went."""


class DocumentStatus(_Told):
    """What is told about a model, a tool, a policy or an agent."""

    observed_generation: Number = 0
    """The generation of the spec that the status speaks of."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=8)] = ()
    """Claims about the resource, one of each type."""
    used_by: Number = 0
    """How many crews name it, by way of agents too."""
    secret_version: Annotated[str, Field(max_length=63)] = ""
    """Of the Secret that holds a model's key: it changes when the key is rotated."""
