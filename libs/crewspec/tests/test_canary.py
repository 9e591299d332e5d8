"""Which sessions get a candidate: a fair share that only grows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.crewspec.canary import is_for_candidate

_SESSIONS = [f"session-{number}" for number in range(1_000)]
_NAMES = st.text(st.characters(codec="utf-8"), max_size=60)


@given(crew=_NAMES, prefix=_NAMES, weight=st.integers(0, 100))
def test_a_thousand_sessions_split_within_five_points(
    crew: str, prefix: str, weight: int
) -> None:
    chosen = sum(
        is_for_candidate(f"{prefix}{session}", crew, weight) for session in _SESSIONS
    )
    assert abs(chosen - weight * 10) <= 50


@given(session=_NAMES, crew=_NAMES, weights=st.lists(st.integers(0, 100), min_size=2))
def test_a_session_that_got_the_candidate_keeps_it_while_its_share_grows(
    session: str, crew: str, weights: list[int]
) -> None:
    got = [is_for_candidate(session, crew, weight) for weight in sorted(weights)]
    assert got == sorted(got)


@pytest.mark.parametrize(("weight", "expected"), [(0, 0), (100, 1_000)])
def test_nobody_and_everybody_are_meant(weight: int, expected: int) -> None:
    chosen = [is_for_candidate(session, "coaching", weight) for session in _SESSIONS]
    assert sum(chosen) == expected


def test_crews_choose_apart_from_each_other() -> None:
    chosen = [
        {session for session in _SESSIONS if is_for_candidate(session, crew, 10)}
        for crew in ("coaching", "welcome")
    ]
    assert len(chosen[0] & chosen[1]) < 40
