"""The common pace: the same moments for all runs, fewer of them when many speak."""

from contextlib import ExitStack

import pytest

from services.orchestrator.pace import MANY_RUNS, Pace


def test_few_runs_pass_text_on_at_every_moment() -> None:
    pace = Pace()
    with ExitStack() as runs:
        for _ in range(MANY_RUNS):
            runs.enter_context(pace.kept())
        assert pace.next_moment(10.01) == pytest.approx(10.05)
        assert pace.next_moment(10.05) == pytest.approx(10.1)


def test_many_leave_every_other_moment_out_until_they_are_few_again() -> None:
    pace = Pace()
    with ExitStack() as runs:
        for _ in range(MANY_RUNS):
            runs.enter_context(pace.kept())
        with pace.kept():
            assert pace.next_moment(10.01) == pytest.approx(10.1)
            assert pace.next_moment(10.06) == pytest.approx(10.1)
        assert pace.seconds == pytest.approx(0.05)


def test_a_run_that_breaks_is_counted_no_longer() -> None:
    pace = Pace()
    for _ in range(MANY_RUNS + 1):
        with pytest.raises(RuntimeError), pace.kept():
            raise RuntimeError
    assert pace.seconds == pytest.approx(0.05)
