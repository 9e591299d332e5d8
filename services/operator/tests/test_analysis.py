"""A candidate is compared with the stable revision, and only on enough turns."""

import pytest

from libs.crewspec.rollout import Analysis
from services.operator.analysis import p95_ms, worse_than_stable
from services.operator.observed import RevisionStats

ANALYSIS = Analysis.model_validate({"minTurns": 20})


def stats(turns: int, errors: int = 0, place: int = 4) -> RevisionStats:
    durations = [0] * 17
    durations[place] = turns
    return RevisionStats(turns, errors, tuple(durations))


@pytest.mark.parametrize(
    ("candidate", "stable", "is_worse"),
    [
        (stats(0), stats(0), False),
        (stats(19, 19), stats(100), False),
        (stats(20, 20), stats(100), True),
        (stats(100, 5), stats(100), False),
        (stats(100, 6), stats(100), True),
        (stats(100, 15), stats(1_000, 100), False),
        (stats(100, 16), stats(1_000, 100), True),
        (stats(100, 100), stats(100, 100), False),
        (stats(20, 1), stats(0), False),
        (stats(20, 2), stats(0), True),
        (stats(20, 2), stats(19, 19), True),
        (stats(20, place=8), stats(0), False),
        (stats(20, place=8), stats(19, place=4), False),
        (stats(20, place=5), stats(20, place=4), False),
        (stats(20, place=6), stats(20, place=4), True),
        (stats(20, place=4), stats(20, place=6), False),
        (stats(20, place=16), stats(20, place=14), True),
    ],
)
def test_a_candidate_is_worse(
    *, candidate: RevisionStats, stable: RevisionStats, is_worse: bool
) -> None:
    assert bool(worse_than_stable(candidate, stable, ANALYSIS)) is is_worse


def test_what_is_worse_is_told_in_figures() -> None:
    errors = worse_than_stable(stats(20, 4), stats(40, 1), ANALYSIS)
    assert errors == (
        "4 of 20 turns failed, against 1 of 40 of the stable revision; at most 5"
        " points more are allowed"
    )
    alone = worse_than_stable(stats(20, 4), stats(3, 1), ANALYSIS)
    assert "against 0 of 0" in alone
    slow = worse_than_stable(stats(20, place=6), stats(20, place=4), ANALYSIS)
    assert slow == (
        "95 % of the turns took up to 3,900 ms, against 975 ms of the stable revision;"
        " at most 200 % of that are allowed"
    )


@pytest.mark.parametrize(
    ("durations", "expected"),
    [
        ((0,) * 17, 0),
        ((100,) + (0,) * 16, 62.5 * 0.95),
        ((95, 5) + (0,) * 15, 62.5),
        ((90, 10) + (0,) * 15, 62.5 * 1.5),
        ((0,) * 15 + (1, 0), 62.5 * 2**14 * 1.95),
        ((0,) * 16 + (1,), 62.5 * 2**15 * 1.95),
    ],
)
def test_a_percentile_lies_within_its_place(
    durations: tuple[int, ...], expected: float
) -> None:
    counted = RevisionStats(sum(durations), 0, durations)
    assert p95_ms(counted) == pytest.approx(expected)


def test_a_small_change_across_a_bound_stays_small() -> None:
    before = RevisionStats(100, 0, (0,) * 4 + (96, 4) + (0,) * 11)
    after = RevisionStats(100, 0, (0,) * 4 + (94, 6) + (0,) * 11)
    assert p95_ms(after) / p95_ms(before) < 1.2


@pytest.mark.parametrize(
    ("bounds", "candidate", "is_worse"),
    [
        ({"minTurns": 5}, stats(5, 5), True),
        ({"minTurns": 6}, stats(5, 5), False),
        ({"maxErrorPoints": 10}, stats(100, 10), False),
        ({"maxErrorPoints": 9}, stats(100, 10), True),
        ({"maxErrorPoints": 100}, stats(100, 100), False),
        ({"maxP95Percent": 400}, stats(100, place=6), False),
        ({"maxP95Percent": 399}, stats(100, place=6), True),
        ({"maxP95Percent": 100}, stats(100, place=4), False),
    ],
)
def test_a_crew_says_what_counts_as_worse(
    bounds: dict[str, int], candidate: RevisionStats, *, is_worse: bool
) -> None:
    analysis = Analysis.model_validate(bounds)
    assert bool(worse_than_stable(candidate, stats(100), analysis)) is is_worse
