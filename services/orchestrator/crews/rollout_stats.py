"""How the runs of crews under roll-out fare, by revision."""

import asyncio
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from libs.crewspec.compiler import CompiledSet

__all__ = ["DURATION_BOUNDS_SECONDS", "RevisionStats", "RolloutStats"]

DURATION_BOUNDS_SECONDS: Final = tuple(0.0625 * 2**index for index in range(16))
"""Upper bounds of the places of a histogram; a last place is beyond."""


@dataclass(frozen=True, slots=True)
class RevisionStats:
    """Runs of one revision since its crew's present candidate was assigned.

    Those that somebody stopped are left out. `durations` counts them by the places
    of DURATION_BOUNDS_SECONDS and one beyond.
    """

    crew: str
    digest: str
    candidate_digest: str
    turns: int
    errors: int
    durations: tuple[int, ...]


@dataclass(slots=True)
class _Counts:
    turns: int = 0
    errors: int = 0
    durations: list[int] = field(
        default_factory=lambda: [0] * (len(DURATION_BOUNDS_SECONDS) + 1)
    )


@dataclass(slots=True)
class _Rollout:
    candidate_digest: str
    counts: dict[str, _Counts]


class RolloutStats:
    """Counts from the moment a candidate is put in force until it is no more."""

    def __init__(self) -> None:
        self._rollouts: dict[str, _Rollout] = {}
        self.changed = asyncio.Event()
        """Set when there is something new to tell; whoever tells it clears it."""

    def assign(self, compiled: CompiledSet) -> None:
        """Take in what is in force now; a new candidate begins at nothing."""
        rollouts: dict[str, _Rollout] = {}
        for crew, candidate in compiled.candidates.items():
            if crew not in compiled.crews:
                continue
            digest, stable = candidate.crew.digest, compiled.crews[crew].digest
            rollout = self._rollouts.get(crew)
            if rollout is None or rollout.candidate_digest != digest:
                rollout = _Rollout(digest, {})
            for served in (stable, digest):
                rollout.counts.setdefault(served, _Counts())
            rollouts[crew] = rollout
        self._rollouts = rollouts

    def count(
        self, crew: str, digest: str, *, has_failed: bool, seconds: float
    ) -> None:
        """Count a run that ended, if its crew is under roll-out."""
        rollout = self._rollouts.get(crew)
        if rollout is None or digest not in rollout.counts:
            return
        counts = rollout.counts[digest]
        counts.turns += 1
        counts.errors += has_failed
        counts.durations[bisect_left(DURATION_BOUNDS_SECONDS, seconds)] += 1
        self.changed.set()

    def told(self) -> Iterable[RevisionStats]:
        """Give what was counted of each revision that had a run."""
        for crew, rollout in self._rollouts.items():
            for digest, counts in rollout.counts.items():
                if counts.turns:
                    yield RevisionStats(
                        crew=crew,
                        digest=digest,
                        candidate_digest=rollout.candidate_digest,
                        turns=counts.turns,
                        errors=counts.errors,
                        durations=tuple(counts.durations),
                    )
