"""Runs are carried to one terminal event whatever happens on the way."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from services.api_gateway.errors import StoreUnavailableError
from services.api_gateway.fanout import LoggedEvent
from services.api_gateway.runs.directory import Orchestrator, OrchestratorDirectory
from services.api_gateway.runs.pump import PumpLimits, RunPump
from services.api_gateway.runs.service import RunService
from services.api_gateway.runs.tests.scripted_orchestrator import (
    ExhaustedRefusalError,
    ScriptedOrchestrator,
    UnavailableRefusalError,
)
from services.api_gateway.runs.turn import Turn
from services.api_gateway.store import (
    CommandKey,
    DispatchPlace,
    NewSession,
    RunWork,
    Store,
    WhenBusy,
)
from services.api_gateway.store_sql.opening import open_store
from services.api_gateway.telemetry import GatewayTelemetry
from services.api_gateway.wire.events import TERMINAL_TYPES
from venturebots.orchestrator.v1 import orchestrator_service_pb2 as pb

LIMITS = PumpLimits(
    pick_seconds=2, lost_seconds=2, reattach_seconds=0.02, store_retry_seconds=0.05
)
_SHORT_LEASE_SECONDS = 0.05


@dataclass
class Log:
    """What was published, and a way to wait for more."""

    events: list[dict[str, Any]] = field(default_factory=list)
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    def publish(self, events: Sequence[LoggedEvent]) -> None:
        """Keep session events only."""
        for event in events:
            if event.stream.startswith("session:"):
                self.events.append(json.loads(event.frame))
        self.grown.set()

    async def until(self, is_enough: Callable[[list[dict[str, Any]]], bool]) -> None:
        """Wait for the log to satisfy a condition."""
        async with asyncio.timeout(20):
            while not is_enough(self.events):
                self.grown.clear()
                await self.grown.wait()

    def types(self) -> list[str]:
        """The types in order."""
        return [event["type"] for event in self.events]

    def terminals(self) -> list[dict[str, Any]]:
        """The terminal events."""
        return [event for event in self.events if event["type"] in TERMINAL_TYPES]

    def text(self) -> str:
        """What was streamed."""
        return "".join(
            event["data"]["text"]
            for event in self.events
            if event["type"] == "message.delta"
        )


@dataclass
class Bench:
    """A store with one founder and one session."""

    store: Store
    log: Log
    founder_id: str
    session_id: str

    def key(self, route: str) -> CommandKey:
        """A fresh command."""
        request_id = str(uuid.uuid4())
        return CommandKey(self.founder_id, route, request_id, request_id)

    async def send(self, text: str = "It takes me hours to invoice.") -> str:
        """Accept a message; returns its run."""
        accepted = await self.store.accept_message(
            self.key("message.send"), self.session_id, text, WhenBusy.WAIT
        )
        return accepted.run_id


class StumblingStore:
    """A store whose first claim meets a bug."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.has_stumbled = asyncio.Event()

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def claim_runnable(
        self, owner: str, limit: int, places: Sequence[DispatchPlace] = ()
    ) -> list[RunWork]:
        """Fail once, then claim."""
        if not self.has_stumbled.is_set():
            self.has_stumbled.set()
            raise KeyError("bug")
        return await self._store.claim_runnable(owner, limit, places)


class ForgetfulStore:
    """A store whose first claim is stored and told to have failed."""

    def __init__(self, store: Store, *, is_dispatched: bool) -> None:
        self._store = store
        self._is_dispatched = is_dispatched
        self.forgotten: list[str] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def claim_runnable(
        self, owner: str, limit: int, places: Sequence[DispatchPlace] = ()
    ) -> list[RunWork]:
        """Claim; the first claims are kept from the caller."""
        if self.forgotten:
            return await self._store.claim_runnable(owner, limit, places)
        told = places if self._is_dispatched else ()
        claimed = await self._store.claim_runnable(owner, limit, told)
        self.forgotten = [work.run_id for work in claimed]
        if claimed:
            raise StoreUnavailableError("the disk did not confirm")
        return claimed


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A real store in a temporary file."""
    log = Log()
    store = await open_store(
        path=tmp_path / "venturebots.db",
        publish=log.publish,
        end_stream=lambda _stream: None,
        lease_seconds=1,
    )
    founder = await store.create_founder("hash")
    key = CommandKey(founder.founder_id, "session.create", None, "")
    made = await store.create_session(key, NewSession(title=None, has_opening=False))
    yield Bench(store, log, founder.founder_id, made.session.session_id)
    await store.aclose()


@pytest.fixture
async def orchestrator() -> AsyncIterator[ScriptedOrchestrator]:
    """One scripted process."""
    scripted = ScriptedOrchestrator("one")
    await scripted.start()
    yield scripted
    await scripted.stop()


@asynccontextmanager
async def carrying(
    bench: Bench,
    address: str,
    *,
    owner: str = "gateway-1",
    limits: PumpLimits = LIMITS,
    lease_seconds: float = 5,
    directory: OrchestratorDirectory | None = None,
) -> AsyncIterator[RunService]:
    """A run service against one address."""
    service = RunService(
        owner=owner,
        store=bench.store,
        directory=directory or OrchestratorDirectory(names=[address], token_file=None),
        limits=limits,
        lease_seconds=lease_seconds,
    )
    await service.start()
    try:
        yield service
    finally:
        await service.aclose()


def ended(events: list[dict[str, Any]]) -> bool:
    """Whether a run is over."""
    return any(event["type"] in TERMINAL_TYPES for event in events)


async def test_a_run_is_carried_to_its_end(
    bench: Bench, orchestrator: ScriptedOrchestrator
) -> None:
    async with carrying(bench, orchestrator.address) as service:
        run_id = await bench.send()
        service.wake()
        await bench.log.until(ended)
    assert bench.log.text() == "".join(orchestrator.words)
    assert [event["seq"] for event in bench.log.events] == list(
        range(1, len(bench.log.events) + 1)
    )
    assert orchestrator.executed == [run_id]
    assert orchestrator.requests[0].message.text == "It takes me hours to invoice."


async def test_a_claim_that_fails_unforeseen_is_made_again(
    bench: Bench, orchestrator: ScriptedOrchestrator
) -> None:
    stumbling = StumblingStore(bench.store)
    bench.store = cast("Store", stumbling)
    async with carrying(bench, orchestrator.address) as service:
        async with asyncio.timeout(20):
            await stumbling.has_stumbled.wait()
        run_id = await bench.send()
        service.wake()
        await bench.log.until(ended)
    assert orchestrator.executed == [run_id]


@pytest.mark.parametrize("is_dispatched", [False, True])
async def test_a_claim_that_was_stored_and_told_to_have_failed_is_carried(
    bench: Bench,
    orchestrator: ScriptedOrchestrator,
    *,
    is_dispatched: bool,
) -> None:
    forgetful = ForgetfulStore(bench.store, is_dispatched=is_dispatched)
    bench.store = cast("Store", forgetful)
    async with carrying(
        bench, orchestrator.address, lease_seconds=_SHORT_LEASE_SECONDS
    ) as service:
        while not any(seen.description for seen in service.orchestrators()):
            await asyncio.sleep(0.01)
        run_id = await bench.send()
        service.wake()
        await bench.log.until(ended)
    assert forgetful.forgotten == [run_id]
    [terminal] = bench.log.terminals()
    assert terminal["type"] == ("run.failed" if is_dispatched else "run.finished")
    assert orchestrator.executed == ([] if is_dispatched else [run_id])


async def test_a_lost_call_is_attached_again_without_a_gap_or_a_double(
    bench: Bench, orchestrator: ScriptedOrchestrator
) -> None:
    orchestrator.drops_after = 2
    async with carrying(bench, orchestrator.address) as service:
        run_id = await bench.send()
        service.wake()
        await bench.log.until(ended)
    assert bench.log.text() == "".join(orchestrator.words)
    assert orchestrator.executed == [run_id]


async def test_a_replaced_process_ends_its_runs_as_lost(
    bench: Bench, orchestrator: ScriptedOrchestrator
) -> None:
    orchestrator.holds_at = 4
    async with carrying(bench, orchestrator.address) as service:
        await bench.send()
        service.wake()
        await bench.log.until(lambda events: events[-1]["type"] == "message.delta")
        await orchestrator.stop()
        other = ScriptedOrchestrator("two")
        await other.start(orchestrator.port)
        await bench.log.until(ended)
        [terminal] = bench.log.terminals()
        assert terminal["data"]["code"] == "run_lost"
        assert terminal["data"]["retryable"]
        assert other.executed == []
        next_run = await bench.send("And now?")
        service.wake()
        await bench.log.until(lambda _: len(bench.log.terminals()) == 2)
        assert other.executed == [next_run]
        await other.stop()


async def test_a_process_replaced_while_idle_costs_no_run(
    bench: Bench, orchestrator: ScriptedOrchestrator
) -> None:
    async with carrying(bench, orchestrator.address) as service:
        await bench.send()
        service.wake()
        await bench.log.until(ended)
        orchestrator.instance_id = "two"
        run_id = await bench.send("And now?")
        service.wake()
        await bench.log.until(lambda _: len(bench.log.terminals()) == 2)
    assert bench.log.terminals()[1]["type"] == "run.finished"
    assert orchestrator.executed[-1] == run_id


async def test_a_draining_process_is_asked_again_later(
    bench: Bench, orchestrator: ScriptedOrchestrator
) -> None:
    orchestrator.refusals = [UnavailableRefusalError("draining")]
    async with carrying(bench, orchestrator.address) as service:
        await bench.send()
        service.wake()
        await bench.log.until(ended)
    assert bench.log.types()[-1] == "run.finished"
    assert len(orchestrator.executed) == 1


async def test_a_full_orchestrator_is_told_with_the_time_to_wait(
    bench: Bench, orchestrator: ScriptedOrchestrator
) -> None:
    orchestrator.refusals = [ExhaustedRefusalError("overloaded", retry_after_ms=1500)]
    async with carrying(bench, orchestrator.address) as service:
        await bench.send()
        service.wake()
        await bench.log.until(ended)
    [terminal] = bench.log.terminals()
    assert terminal["data"]["code"] == "overloaded"
    assert terminal["data"]["retry_after_ms"] == 1500


async def test_without_an_orchestrator_the_run_ends_typed(bench: Bench) -> None:
    nobody = ScriptedOrchestrator("none")
    await nobody.start()
    await nobody.stop()
    limits = replace(LIMITS, pick_seconds=0.3)
    async with carrying(bench, nobody.address, limits=limits) as service:
        await bench.send()
        service.wake()
        await bench.log.until(ended)
    [terminal] = bench.log.terminals()
    assert terminal["data"]["code"] == "orchestrator_unavailable"


async def test_a_stopped_run_is_stopped_where_it_executes(
    bench: Bench, orchestrator: ScriptedOrchestrator
) -> None:
    orchestrator.holds_at = 4
    async with carrying(bench, orchestrator.address) as service:
        run_id = await bench.send()
        service.wake()
        await bench.log.until(lambda events: events[-1]["type"] == "message.delta")
        decision = await bench.store.cancel_run(bench.key("run.cancel"), run_id)
        assert decision.active is not None
        await service.stop_run(decision.active, "founder")
        await bench.log.until(ended)
    assert orchestrator.cancelled == [run_id]
    assert bench.log.types()[-1] == "run.cancelled"
    assert bench.log.events[-2]["data"]["status"] == "cancelled"


@asynccontextmanager
async def pumping(
    bench: Bench,
    address: str,
    *,
    limits: PumpLimits = LIMITS,
    abandon: Callable[[Orchestrator, str], None] = lambda _orchestrator, _run_id: None,
) -> AsyncIterator[RunPump]:
    """A pump without a service around it."""
    directory = OrchestratorDirectory(names=[address], token_file=None)
    await directory.start()
    pump = RunPump(
        store=bench.store,
        directory=directory,
        limits=limits,
        abandon=abandon,
        turn=Turn(GatewayTelemetry.unread(), "unheard"),
    )
    try:
        yield pump
    finally:
        await directory.aclose()


async def test_a_run_stopped_between_two_dispatches_is_not_executed(
    bench: Bench, orchestrator: ScriptedOrchestrator
) -> None:
    await bench.send()
    [work] = await bench.store.claim_runnable("gateway-1", 1)
    async with pumping(bench, orchestrator.address) as pump:
        pump.cancel_reason = "founder"
        await pump.execute(work)
    assert orchestrator.executed == []
    assert bench.log.types()[-1] == "run.cancelled"


async def test_a_stop_lost_with_the_connection_is_repeated(
    bench: Bench, orchestrator: ScriptedOrchestrator
) -> None:
    orchestrator.holds_at = 4
    async with carrying(bench, orchestrator.address) as service:
        run_id = await bench.send()
        service.wake()
        await bench.log.until(lambda events: events[-1]["type"] == "message.delta")
    decision = await bench.store.cancel_run(bench.key("run.cancel"), run_id)
    assert decision.active is not None
    async with pumping(bench, orchestrator.address) as pump:
        pump.cancel_reason = "founder"
        await asyncio.wait_for(pump.resume(decision.active), 20)
    assert orchestrator.cancelled == [run_id]
    assert bench.log.types()[-1] == "run.cancelled"
    assert len(bench.log.terminals()) == 1


async def test_a_run_that_never_ends_is_ended(
    bench: Bench, orchestrator: ScriptedOrchestrator
) -> None:
    orchestrator.holds_at = 4
    limits = replace(LIMITS, run_seconds=1, overdue_seconds=0.5)
    async with carrying(bench, orchestrator.address, limits=limits) as service:
        run_id = await bench.send()
        service.wake()
        await bench.log.until(ended)
        assert bench.log.terminals()[0]["data"]["code"] == "run_lost"
        async with asyncio.timeout(20):
            await orchestrator.has_cancelled.wait()
    assert orchestrator.cancelled == [run_id]


async def test_a_new_gateway_goes_on_where_the_old_one_stopped(
    bench: Bench, orchestrator: ScriptedOrchestrator
) -> None:
    orchestrator.holds_at = 4
    async with carrying(bench, orchestrator.address) as service:
        run_id = await bench.send()
        service.wake()
        await bench.log.until(lambda events: events[-1]["type"] == "message.delta")
    script = orchestrator.runs[run_id]
    script.tell(len(script.events))
    async with carrying(
        bench,
        orchestrator.address,
        owner="gateway-2",
        lease_seconds=_SHORT_LEASE_SECONDS,
    ):
        await bench.log.until(ended)
    assert bench.log.text() == "".join(orchestrator.words)
    assert orchestrator.executed == [run_id]


async def test_an_event_of_a_newer_orchestrator_is_passed_over(
    bench: Bench, orchestrator: ScriptedOrchestrator
) -> None:
    orchestrator.holds_at = 4
    newer = pb.RunEvent.FromString(b"\xa2\x38\x00")  # field 900, empty
    async with carrying(bench, orchestrator.address) as service:
        run_id = await bench.send()
        service.wake()
        await bench.log.until(lambda events: events[-1]["type"] == "message.delta")
        script = orchestrator.runs[run_id]
        script.replace_rest(newer, *script.events[script.told :])
        await bench.log.until(ended)
    assert bench.log.types()[-1] == "run.finished"
    assert bench.log.text() == "".join(orchestrator.words)


async def test_a_silent_process_ends_its_runs_and_is_stopped_when_it_is_back(
    bench: Bench, orchestrator: ScriptedOrchestrator
) -> None:
    orchestrator.holds_at = 4
    limits = replace(LIMITS, lost_seconds=0.5)
    async with carrying(bench, orchestrator.address, limits=limits) as service:
        run_id = await bench.send()
        service.wake()
        await bench.log.until(lambda events: events[-1]["type"] == "message.delta")
        await orchestrator.stop()
        await bench.log.until(ended)
        assert bench.log.terminals()[0]["data"]["code"] == "run_lost"
        await orchestrator.start(orchestrator.port)
        async with asyncio.timeout(20):
            await orchestrator.has_cancelled.wait()
        assert orchestrator.cancelled == [run_id]
