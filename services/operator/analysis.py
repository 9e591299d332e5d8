"""Whether a candidate is worse than the stable revision."""

import bisect
import itertools
from typing import Final

from libs.crewspec.rollout import Analysis
from services.operator.observed import DURATION_BOUNDS_MS, RevisionStats

__all__ = ["p95_ms", "worse_than_stable"]

_PERCENTILE: Final = 0.95


def worse_than_stable(
    candidate: RevisionStats, stable: RevisionStats, analysis: Analysis
) -> str:
    """Tell in which way a candidate is worse, empty when it is not.

    A revision with fewer turns than `min_turns` says nothing: nothing is concluded
    about such a candidate; such a stable revision is taken to have no errors, and
    durations are not compared with it.
    """
    if candidate.turns < analysis.min_turns:
        return ""
    has_stable = stable.turns >= analysis.min_turns
    usual = stable if has_stable else RevisionStats(turns=1)
    difference = candidate.errors * usual.turns - usual.errors * candidate.turns
    if difference * 100 > analysis.max_error_points * candidate.turns * usual.turns:
        return (
            f"{candidate.errors} of {candidate.turns} turns failed, against"
            f" {usual.errors if has_stable else 0} of"
            f" {stable.turns if has_stable else 0} of the stable revision; at most"
            f" {analysis.max_error_points} points more are allowed"
        )
    if not has_stable:
        return ""
    duration, usual_duration = p95_ms(candidate), p95_ms(stable)
    if usual_duration and duration * 100 > usual_duration * analysis.max_p95_percent:
        return (
            f"95 % of the turns took up to {duration:,.0f} ms, against"
            f" {usual_duration:,.0f} ms of the stable revision; at most"
            f" {analysis.max_p95_percent} % of that are allowed"
        )
    return ""


def p95_ms(stats: RevisionStats) -> float:
    """Estimate the 95th percentile of durations from their histogram; 0 without any.

    Within a place durations are taken to be spread evenly, so that a small change
    across a bound stays a small change. The place beyond the last bound is taken to
    be as wide as the bound.
    """
    counted = (0, *itertools.accumulate(stats.durations))
    rank = counted[-1] * _PERCENTILE
    if not rank:
        return 0.0
    bounds = (0.0, *DURATION_BOUNDS_MS, DURATION_BOUNDS_MS[-1] * 2)
    place = bisect.bisect_left(counted, rank) - 1
    lower, upper = bounds[place], bounds[place + 1]
    share = (rank - counted[place]) / stats.durations[place]
    return lower + (upper - lower) * share
