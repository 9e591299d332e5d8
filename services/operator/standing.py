"""Where a crew's roll-out stands, and what it stands in."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from libs.crewspec.rollout import Rollout
from libs.crewspec.status import (
    ConditionReason,
    ConditionStatus,
    ConditionType,
    CrewStatus,
    LastProbe,
    RolloutState,
)
from services.operator.moments import exact_moment
from services.operator.observed import FleetView

__all__ = [
    "SETTLING",
    "Failure",
    "GivenUp",
    "Situation",
    "Standing",
    "condition_reason",
    "standing_of",
]

SETTLING = timedelta(seconds=2)
"""How long after progress answers of orchestrators are still expected to change."""

_MAX_FAILED = 20


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a candidate is no good."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A digest that was given up just now, and why."""

    digest: str
    failure: Failure


@dataclass(frozen=True, slots=True)
class Situation:
    """What a roll-out depends on: none of it is the roll-out's own state.

    `newest` is the digest of the spec as it is, empty when that is not valid.
    `was_waiting` tells that it stood still when it was looked at last, for a pause or
    for lack of orchestrators. `is_approving` tells that an approval was recorded just
    now: what follows from it follows when the annotation is gone, so that no approval
    counts twice.
    """

    newest: str
    rollout: Rollout
    is_paused: bool
    fleet: FleetView
    now: datetime
    was_waiting: bool = False
    is_approving: bool = False

    @property
    def needed(self) -> int:
        """How many orchestrators must have a revision; 0 while there are none."""
        desired = self.fleet.desired or 0
        return -(-desired * self.rollout.min_ack_percent // 100)

    def acks(self, digest: str) -> int:
        """How many orchestrators have a revision in force."""
        return sum(digest in serving for serving in self.fleet.serving.values())

    def is_programmed(self, digest: str) -> bool:
        """Tell whether enough orchestrators have it: none are not enough."""
        return 0 < self.needed <= self.acks(digest)


@dataclass(frozen=True, slots=True)
class Standing:
    """Which revisions are served, and how far the roll-out is.

    `given_up` tells why the newest revision is not rolled out; `stalled` why the
    candidate waits for a person; `just_given_up` what was given up by this decision.
    """

    stable: str = ""
    candidate: str = ""
    state: RolloutState = field(default_factory=RolloutState)
    failed: tuple[str, ...] = ()
    given_up: Failure | None = None
    stalled: Failure | None = None
    last_probe: LastProbe = field(default_factory=LastProbe)
    just_given_up: GivenUp | None = None

    def with_state(self, **changes: object) -> "Standing":
        """Change the roll-out's state."""
        return replace(self, state=self.state.model_copy(update=changes))

    def without_candidate(self) -> "Standing":
        """Serve the stable revision alone."""
        return replace(self, candidate="", state=RolloutState(), stalled=None)

    def begun(self, digest: str, now: datetime) -> "Standing":
        """Start rolling out a revision, from the beginning."""
        at = exact_moment(now)
        state = RolloutState(digest=digest, started_at=at, progressed_at=at)
        return replace(self, candidate=digest, state=state, stalled=None, given_up=None)

    def giving_up(self, digest: str, failure: Failure, *, newest: str) -> "Standing":
        """Remember that a digest failed; it is served no more, unless it is stable."""
        others = tuple(known for known in self.failed if known != digest)
        return replace(
            self.without_candidate(),
            failed=(*others, digest)[-_MAX_FAILED:],
            given_up=failure if digest == newest else self.given_up,
            just_given_up=GivenUp(digest=digest, failure=failure),
        )

    def forgiving(self, digest: str) -> "Standing":
        """Forget that a digest failed."""
        others = tuple(known for known in self.failed if known != digest)
        return replace(self, failed=others, given_up=None)


def standing_of(status: CrewStatus, newest: str) -> Standing:
    """Read from a status where the roll-out stands, given the spec as it is now."""
    # One without its state was written by hand: it begins anew.
    is_whole = status.rollout.digest == status.candidate_digest
    candidate = status.candidate_digest if is_whole else ""
    stalled = _failure_told(status, ConditionType.STALLED) if candidate else None
    return Standing(
        stable=status.stable_digest,
        candidate=candidate,
        state=status.rollout if candidate else RolloutState(),
        failed=status.failed_digests,
        given_up=_given_up(status, newest),
        stalled=stalled,
        last_probe=status.last_probe,
    )


def condition_reason(status: CrewStatus, kind: ConditionType) -> str:
    """Return the reason a condition was given last; empty when it was not."""
    found = [told.reason for told in status.conditions if told.type is kind]
    return found[0] if found else ""


def _given_up(status: CrewStatus, newest: str) -> Failure | None:
    if newest not in status.failed_digests:
        return None
    told = _failure_told(status, ConditionType.ROLLED_BACK)
    if told and status.newest_digest == newest:
        return told
    return Failure(
        ConditionReason.ROLLED_BACK,
        "this revision was given up before: change the spec, or approve its digest",
    )


def _failure_told(status: CrewStatus, kind: ConditionType) -> Failure | None:
    for told in status.conditions:
        if told.type is kind and told.status is ConditionStatus.TRUE:
            return Failure(told.reason, told.message)
    return None
