"""One run ends exactly once, whenever it is stopped."""

import asyncio

import pytest

from libs.crewspec.compiled import CompiledCrew, LiveDocuments
from services.orchestrator.engine import RunPlan
from services.orchestrator.pace import MANY_RUNS, PACE
from services.orchestrator.runs.event_log import EventLog
from services.orchestrator.runs.events import (
    RunCancelled,
    RunEvent,
    RunFailed,
    RunOutcome,
    RunStarted,
    RunState,
)
from services.orchestrator.runs.recorder import Recorder
from services.orchestrator.runs.run import Run, RunRequest


class Trial:
    """A run with its events noted and its calls counted."""

    def __init__(self, *, run_timeout_seconds: float = 30) -> None:
        self.events: list[RunEvent] = []
        self.engine_calls = 0
        self.ended = asyncio.Event()
        log = EventLog(encode=lambda _, __, event: self._note(event), max_bytes=1_000)
        self.run = Run("r1", "coaching", log, Recorder(log=log))
        crew = CompiledCrew("coaching", "", "", frozenset(), {}, ())
        plan = RunPlan("r1", "s1", "f1", "Hi", crew, LiveDocuments())
        started = RunStarted("coaching", "", {}, "i1")
        self.request = RunRequest(plan, None, run_timeout_seconds, started)

    def _note(self, event: RunEvent) -> bytes:
        self.events.append(event)
        return b"x"

    def begin(self) -> None:
        """Begin the run."""
        self.run.begin(
            self.request,
            admit=self._admit,
            run_engine=self._hang,
            ended=self.ended.set,
        )

    async def _admit(self) -> None:
        await asyncio.sleep(0)

    async def _hang(self, _plan: RunPlan) -> None:
        self.engine_calls += 1
        await asyncio.Event().wait()

    async def outcome(self) -> RunOutcome | None:
        """Wait for the end."""
        await asyncio.wait_for(self.ended.wait(), 10)
        return self.run.outcome


async def test_the_runs_that_are_executed_set_the_pace() -> None:
    trials = [Trial() for _ in range(MANY_RUNS + 1)]
    for trial in trials:
        trial.begin()
    async with asyncio.timeout(10):
        while not all(trial.engine_calls for trial in trials):
            await asyncio.sleep(0)
    assert PACE.is_of_many
    for trial in trials:
        trial.run.cancel("founder")
        await trial.outcome()
    assert not PACE.is_of_many


@pytest.mark.parametrize("turns_of_the_loop", range(5))
async def test_a_run_can_be_cancelled_at_any_moment(turns_of_the_loop: int) -> None:
    trial = Trial()
    trial.begin()
    for _ in range(turns_of_the_loop):
        await asyncio.sleep(0)
    trial.run.cancel("founder")
    assert await trial.outcome() == RunCancelled("founder")
    assert trial.run.state is RunState.CANCELLED
    assert trial.events[-1] == RunCancelled("founder")
    assert trial.engine_calls == (1 if RunStarted in map(type, trial.events) else 0)


async def test_a_policys_bound_ends_the_run() -> None:
    trial = Trial(run_timeout_seconds=0.05)
    trial.begin()
    outcome = await trial.outcome()
    assert isinstance(outcome, RunFailed)
    assert outcome.error.code == "run_timeout"
    assert trial.engine_calls == 1
