"""What a pump does when the store, the stream or the process is not as it should."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast, override

import pytest

from libs.rpc.errors import abort_on_error
from services.api_gateway.errors import StoreUnavailableError
from services.api_gateway.runs.directory import OrchestratorDirectory
from services.api_gateway.runs.pump import RunPump
from services.api_gateway.runs.tests.scripted_orchestrator import (
    ExhaustedRefusalError,
    RefusalError,
    ScriptedOrchestrator,
    UnavailableRefusalError,
)
from services.api_gateway.runs.tests.test_runs import (
    LIMITS,
    Bench,
    bench,
    carrying,
    ended,
    orchestrator,
    pumping,
)
from services.api_gateway.store import Appended, RunProposal, Store
from services.api_gateway.wire.events import TERMINAL_TYPES
from venturebots.orchestrator.v1 import orchestrator_service_pb2 as pb

__all__ = ["bench", "orchestrator"]

_LONG_LEASE_SECONDS = 300
"""No second look for runs comes within a test."""


class RefusingStore:
    """A store whose first appends fail."""

    def __init__(self, store: Store, *errors: Exception) -> None:
        self._store = store
        self._errors = list(errors)

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def append_run_events(
        self, run_id: str, proposals: Sequence[RunProposal]
    ) -> Appended:
        """Fail as told, then append."""
        if self._errors:
            raise self._errors.pop(0)
        return await self._store.append_run_events(run_id, proposals)


class LeakyOrchestrator(ScriptedOrchestrator):
    """Loses something of the first stream, and counts who attaches again."""

    lost_offset = 0
    is_repeating = False
    is_unwell = False
    after_offsets: tuple[int, ...] = ()

    def __init__(self, instance_id: str) -> None:
        super().__init__(instance_id)
        self.watch_refusals: list[RefusalError] = []

    async def is_attached_again(self, times: int) -> None:
        """Wait until a run was asked for so often."""
        async with asyncio.timeout(20):
            while len(self.after_offsets) < times:
                await asyncio.sleep(0.01)

    @override
    async def WatchRun(self, request: pb.WatchRunRequest, context: Any) -> Any:
        self.after_offsets += (request.after_offset,)
        self.drops_after = None
        if self.is_repeating:
            request.after_offset = 0
        async with abort_on_error(context):
            if self.watch_refusals:
                raise self.watch_refusals.pop(0)
        async for response in super().WatchRun(request, context):
            yield response

    @override
    async def ListCrews(self, request: pb.ListCrewsRequest, context: Any) -> Any:
        async with abort_on_error(context):
            if self.is_unwell:
                raise UnavailableRefusalError("unwell")
        return await super().ListCrews(request, context)

    @override
    async def _follow(
        self, run_id: str, after: int
    ) -> AsyncIterator[list[pb.RunEvent]]:
        async for events in super()._follow(run_id, after):
            kept = [event for event in events if event.offset != self.lost_offset]
            if len(kept) < len(events):
                self.lost_offset = 0
            yield kept


@pytest.fixture
async def leaky() -> AsyncIterator[LeakyOrchestrator]:
    """One scripted process whose watchers are counted."""
    scripted = LeakyOrchestrator("one")
    await scripted.start()
    yield scripted
    await scripted.stop()


def all_ended(number: int) -> Any:
    """Whether so many runs are over."""
    return lambda events: (
        sum(event["type"] in TERMINAL_TYPES for event in events) == number
    )


async def test_a_store_that_takes_no_writes_just_now_loses_nothing(
    bench: Bench, orchestrator: ScriptedOrchestrator
) -> None:
    full = StoreUnavailableError("the disk is full")
    bench.store = cast("Store", RefusingStore(bench.store, full, full, full))
    async with carrying(bench, orchestrator.address) as service:
        await bench.send()
        service.wake()
        await bench.log.until(ended)
    assert bench.log.text() == "".join(orchestrator.words)
    assert bench.log.types()[-1] == "run.finished"


async def test_a_bug_on_the_way_ends_the_run_and_not_the_service(
    bench: Bench, orchestrator: ScriptedOrchestrator
) -> None:
    bench.store = cast("Store", RefusingStore(bench.store, KeyError("bug")))
    async with carrying(
        bench, orchestrator.address, lease_seconds=_LONG_LEASE_SECONDS
    ) as service:
        await bench.send()
        await bench.send()
        service.wake()
        await bench.log.until(all_ended(2))
    failed, finished = bench.log.terminals()
    assert (failed["type"], failed["data"]["code"]) == ("run.failed", "run_interrupted")
    assert finished["type"] == "run.finished"


@pytest.mark.parametrize("told_together", [1, 3])
async def test_an_event_that_was_lost_is_asked_for_at_once(
    bench: Bench, leaky: LeakyOrchestrator, told_together: int
) -> None:
    leaky.lost_offset, leaky.holds_at = 5, 6
    leaky.told_together = told_together
    limits = replace(LIMITS, lost_seconds=60)
    async with carrying(bench, leaky.address, limits=limits) as service:
        run_id = await bench.send()
        service.wake()
        await leaky.is_attached_again(1)
        script = leaky.runs[run_id]
        script.tell(len(script.events))
        await bench.log.until(ended)
    assert bench.log.text() == "".join(leaky.words)
    assert leaky.after_offsets == (4,)


async def executed(bench: Bench, leaky: LeakyOrchestrator) -> RunPump:
    """Carry one run to where the pump lets go of it."""
    await bench.send()
    [work] = await bench.store.claim_runnable("gateway-1", 1)
    async with pumping(bench, leaky.address) as pump, asyncio.timeout(20):
        await pump.execute(work)
    return pump


async def test_a_run_that_is_over_is_not_asked_for_again(
    bench: Bench, leaky: LeakyOrchestrator
) -> None:
    began = datetime.now(UTC)
    pump = await executed(bench, leaky)
    assert bench.log.types()[-1] == "run.finished"
    assert leaky.after_offsets == ()
    assert not pump.has_runnable
    [request] = leaky.requests
    run_time = timedelta(seconds=LIMITS.run_seconds)
    dispatched = request.deadline.ToDatetime(UTC) - run_time
    assert began <= dispatched <= datetime.now(UTC)


async def test_a_run_that_was_refused_is_not_asked_for_again(
    bench: Bench, leaky: LeakyOrchestrator
) -> None:
    leaky.refusals = [ExhaustedRefusalError("overloaded")]
    await executed(bench, leaky)
    assert bench.log.terminals()[0]["data"]["code"] == "overloaded"
    assert leaky.after_offsets == ()


@pytest.mark.parametrize("known_offset", [0, 3])
@pytest.mark.parametrize("is_repeating", [False, True])
async def test_a_lost_call_is_attached_again_once(
    bench: Bench, leaky: LeakyOrchestrator, *, known_offset: int, is_repeating: bool
) -> None:
    leaky.drops_after, leaky.is_repeating = known_offset, is_repeating
    await executed(bench, leaky)
    assert bench.log.types()[-1] == "run.finished"
    assert bench.log.text() == "".join(leaky.words)
    assert leaky.after_offsets == (known_offset,)


async def test_a_run_under_way_is_not_dispatched_again_as_its_process_drains(
    bench: Bench, leaky: LeakyOrchestrator
) -> None:
    leaky.drops_after = 3
    leaky.watch_refusals = [UnavailableRefusalError("draining")]
    await executed(bench, leaky)
    assert bench.log.types()[-1] == "run.finished"
    assert leaky.after_offsets == (3, 3)
    assert len(leaky.requests) == 1


async def test_a_run_may_be_silent_as_long_as_its_process_answers(
    bench: Bench, leaky: LeakyOrchestrator
) -> None:
    leaky.holds_at = 4
    limits = replace(LIMITS, lost_seconds=0.3, run_seconds=0.01, overdue_seconds=60)
    async with carrying(bench, leaky.address, limits=limits) as service:
        run_id = await bench.send()
        service.wake()
        await leaky.is_attached_again(3)
        script = leaky.runs[run_id]
        script.tell(len(script.events))
        await bench.log.until(ended)
    assert bench.log.types()[-1] == "run.finished"
    assert bench.log.text() == "".join(leaky.words)
    assert set(leaky.after_offsets) == {4}


async def test_a_run_whose_calls_fail_is_kept_as_long_as_its_process_answers(
    bench: Bench, leaky: LeakyOrchestrator
) -> None:
    leaky.drops_after = 4
    leaky.watch_refusals = [UnavailableRefusalError("unwell")] * 10_000
    limits = replace(LIMITS, lost_seconds=1.5)
    now = asyncio.get_running_loop().time
    directory = OrchestratorDirectory(names=[leaky.address], token_file=None)
    async with carrying(
        bench, leaky.address, limits=limits, directory=directory
    ) as service:
        await bench.send()
        service.wake()
        await leaky.is_attached_again(1)
        until = now() + 2 * limits.lost_seconds
        while now() < until:
            [orchestrator] = service.orchestrators()
            await directory.refresh(orchestrator)
            await asyncio.sleep(0.05)
        leaky.watch_refusals.clear()
        await bench.log.until(ended)
    assert bench.log.types()[-1] == "run.finished"
    assert bench.log.text() == "".join(leaky.words)


async def test_a_run_that_is_silent_is_lost_when_its_process_does_not_answer(
    bench: Bench, leaky: LeakyOrchestrator
) -> None:
    leaky.holds_at = 4
    abandoned = []
    await bench.send()
    [work] = await bench.store.claim_runnable("gateway-1", 1)
    async with (
        pumping(
            bench,
            leaky.address,
            limits=replace(LIMITS, lost_seconds=0.3),
            abandon=lambda _orchestrator, run_id: abandoned.append(run_id),
        ) as pump,
        asyncio.timeout(20),
        asyncio.TaskGroup() as group,
    ):
        group.create_task(pump.execute(work))
        await bench.log.until(lambda events: events[-1]["type"] == "message.delta")
        leaky.is_unwell = True
    assert bench.log.terminals()[0]["data"]["code"] == "run_lost"
    assert abandoned == [work.run_id]


async def test_a_stream_that_speaks_now_and_then_is_followed_on(
    bench: Bench, leaky: LeakyOrchestrator
) -> None:
    leaky.holds_at, leaky.words = 4, ["word "] * 60
    limits = replace(LIMITS, lost_seconds=0.5)
    now = asyncio.get_running_loop().time
    async with carrying(bench, leaky.address, limits=limits) as service:
        run_id = await bench.send()
        service.wake()
        await bench.log.until(lambda events: events[-1]["type"] == "message.delta")
        script = leaky.runs[run_id]
        until = now() + 5 * limits.lost_seconds
        while now() < until:
            script.tell(script.told + 1)
            await asyncio.sleep(0.05)
        script.tell(len(script.events))
        await bench.log.until(ended)
    assert bench.log.text() == "".join(leaky.words)
    # One stall of this machine is forgiven; unheard words would cost four.
    assert len(leaky.after_offsets) <= 1


async def test_a_stopped_run_is_not_given_up_with_one_call(
    bench: Bench, leaky: LeakyOrchestrator
) -> None:
    leaky.holds_at = 4
    async with carrying(bench, leaky.address) as service:
        run_id = await bench.send()
        service.wake()
        await bench.log.until(lambda events: events[-1]["type"] == "message.delta")
    decision = await bench.store.cancel_run(bench.key("run.cancel"), run_id)
    assert decision.active is not None
    leaky.watch_refusals = [UnavailableRefusalError("draining")]
    limits = replace(LIMITS, stop_seconds=0.9)
    async with (
        pumping(bench, leaky.address, limits=limits) as pump,
        asyncio.timeout(20),
    ):
        await pump.resume(decision.active)
    assert bench.log.types()[-1] == "run.cancelled"
    assert len(leaky.after_offsets) == 2
    assert leaky.cancelled == [run_id, run_id]


async def test_a_stopped_run_whose_process_is_gone_ends_as_stopped(
    bench: Bench, orchestrator: ScriptedOrchestrator
) -> None:
    orchestrator.holds_at = 4
    async with carrying(bench, orchestrator.address) as service:
        run_id = await bench.send()
        service.wake()
        await bench.log.until(lambda events: events[-1]["type"] == "message.delta")
    await bench.store.cancel_run(bench.key("run.cancel"), run_id)
    waiting = await bench.send()
    orchestrator.runs.clear()
    orchestrator.instance_id, orchestrator.holds_at = "two", None
    async with carrying(
        bench, orchestrator.address, owner="gateway-2", lease_seconds=0.2
    ):
        await bench.log.until(all_ended(2))
    cancelled, finished = bench.log.terminals()
    assert (cancelled["run_id"], cancelled["type"]) == (run_id, "run.cancelled")
    assert cancelled["data"]["reason"] == "founder"
    assert (finished["run_id"], finished["type"]) == (waiting, "run.finished")


@pytest.mark.parametrize("is_refused", [False, True])
async def test_what_waits_begins_at_once_when_the_run_before_it_is_over(
    bench: Bench, orchestrator: ScriptedOrchestrator, *, is_refused: bool
) -> None:
    if is_refused:
        orchestrator.refusals.append(ExhaustedRefusalError("overloaded"))
    async with carrying(
        bench, orchestrator.address, lease_seconds=_LONG_LEASE_SECONDS
    ) as service:
        runs = [await bench.send(), await bench.send()]
        service.wake()
        await bench.log.until(all_ended(2))
    assert [event["run_id"] for event in bench.log.terminals()] == runs
    assert orchestrator.executed == (runs[1:] if is_refused else runs)
