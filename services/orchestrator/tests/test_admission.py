"""Places, the queue in front of them and the founders' shares, over sockets."""

import asyncio

import pytest

from libs.errors import ErrorKind
from libs.rpc import RemoteError
from services.orchestrator.engine import RunPlan
from services.orchestrator.tests.caller import Caller, Reading
from services.orchestrator.tests.conftest import Serve
from services.orchestrator.tests.scripted_engine import (
    Say,
    Script,
    ScriptedEngine,
    WaitFor,
)
from venturebots.orchestrator.v1 import orchestrator_service_pb2 as pb


class Gates:
    """An engine whose runs wait, each for its own gate."""

    def __init__(self) -> None:
        self.gates: dict[str, asyncio.Event] = {}
        self.engine = ScriptedEngine(self._script)

    def _script(self, plan: RunPlan) -> Script:
        return [Say(["Hi"]), WaitFor(self.of(plan.run_id))]

    def of(self, run_id: str) -> asyncio.Event:
        """Return the gate of a run."""
        return self.gates.setdefault(run_id, asyncio.Event())

    async def finish(self, run_id: str, reading: Reading) -> None:
        """Open a run's gate and wait for its end."""
        self.of(run_id).set()
        await reading.end()


@pytest.fixture
def gates() -> Gates:
    """Gates of one test."""
    return Gates()


def limits(
    *, active: int, queued: int, share: int = 100, seconds: float = 30
) -> dict[str, object]:
    """Settings for small numbers."""
    return {
        "active_runs": active,
        "queued_runs": queued,
        "founder_share_percent": share,
        "queue_seconds": seconds,
    }


async def until_queued(caller: Caller, count: int) -> None:
    """Wait until that many runs wait."""
    async with asyncio.timeout(10):
        while (await caller.crews()).queued_runs != count:
            await asyncio.sleep(0)


async def test_those_who_wait_are_told_their_position_and_move_up(
    serve: Serve, gates: Gates
) -> None:
    admission = limits(active=1, queued=5)
    _, caller = await serve(gates.engine, admission=admission)
    first = caller.run("r1", founder="a")
    await first.until("run_started")
    second = caller.run("r2", founder="b")
    assert (await second.until("run_queued")).run_queued.position == 1
    third = caller.run("r3", founder="c")
    assert (await third.until("run_queued")).run_queued.position == 2
    status = await caller.crews()
    assert (status.active_runs, status.queued_runs) == (1, 2)
    assert (await caller.get("r3")).state == pb.RUN_STATE_QUEUED
    await gates.finish("r1", first)
    await second.until("run_started")
    moved = await third.until("run_queued", count=2)
    assert moved.run_queued.position == 1
    await gates.finish("r2", second)
    await gates.finish("r3", third)
    assert third.kinds[-1] == "run_finished"
    assert first.kinds[0] == "run_started"


async def test_a_full_queue_refuses_and_says_when_to_come_back(
    serve: Serve, gates: Gates
) -> None:
    _, caller = await serve(gates.engine, admission=limits(active=1, queued=1))
    running = caller.run("r1", founder="a")
    await running.until("run_started")
    waiting = caller.run("r2", founder="b")
    await waiting.until("run_queued")
    with pytest.raises(RemoteError) as caught:
        await caller.run("r3", founder="c").end()
    assert caught.value.kind is ErrorKind.EXHAUSTED
    assert caught.value.code == "overloaded"
    assert caught.value.retryable
    assert caught.value.retry_after_ms
    await gates.finish("r1", running)
    await gates.finish("r2", waiting)
    again = caller.run("r3", founder="c")
    await gates.finish("r3", again)
    assert gates.engine.executions == {"r1": 1, "r2": 1, "r3": 1}


async def test_waiting_too_long_ends_the_run(serve: Serve, gates: Gates) -> None:
    admission = limits(active=1, queued=1, seconds=0.2)
    _, caller = await serve(gates.engine, admission=admission)
    running = caller.run("r1")
    await running.until("run_started")
    waiting = caller.run("r2")
    await waiting.end()
    assert waiting.kinds == ["run_queued", "run_failed"]
    error = waiting.events[-1].run_failed.error
    assert (error.code, error.retryable) == ("overloaded", True)
    assert error.retry_after_ms
    assert "r2" not in gates.engine.executions
    await gates.finish("r1", running)
    assert (await caller.crews()).queued_runs == 0


async def test_a_waiting_run_can_be_cancelled(serve: Serve, gates: Gates) -> None:
    _, caller = await serve(gates.engine, admission=limits(active=1, queued=2))
    running = caller.run("r1")
    await running.until("run_started")
    waiting, behind = caller.run("r2"), caller.run("r3")
    await waiting.until("run_queued")
    await behind.until("run_queued")
    await caller.cancel("r2", "founder")
    await waiting.end()
    assert waiting.kinds[-1] == "run_cancelled"
    assert gates.engine.executions == {"r1": 1}
    await gates.finish("r1", running)
    await gates.finish("r3", behind)
    assert behind.kinds[-1] == "run_finished"


async def test_a_run_cancelled_on_arrival_still_ends_once(
    serve: Serve, gates: Gates
) -> None:
    _, caller = await serve(gates.engine, admission=limits(active=1, queued=2))
    reading = caller.run("r1")
    async with asyncio.timeout(10):
        while True:
            try:
                await caller.cancel("r1")
            except RemoteError:
                continue
            break
    await reading.end()
    assert [kind for kind in reading.kinds if kind.startswith("run_")][-1] == (
        "run_cancelled"
    )
    assert (await caller.crews()).active_runs == 0


async def test_a_greedy_founder_leaves_places_for_others(
    serve: Serve, gates: Gates
) -> None:
    admission = limits(active=4, queued=4, share=50)
    _, caller = await serve(gates.engine, admission=admission)
    greedy = [caller.run(f"g{n}", founder="greedy") for n in range(4)]
    await until_queued(caller, 2)
    with pytest.raises(RemoteError) as caught:
        await caller.run("g4", founder="greedy").end()
    assert caught.value.code == "overloaded"
    modest = caller.run("m1", founder="modest")
    await modest.until("run_started")
    assert "run_queued" not in modest.kinds
    assert (await caller.crews()).active_runs == 3
    await gates.finish("m1", modest)
    # Which of them hold the places depends on which call arrived first.
    for number in range(len(greedy)):
        gates.of(f"g{number}").set()
    for reading in greedy:
        await reading.end()
        assert reading.kinds[-1] == "run_finished"


async def test_a_free_place_goes_to_who_holds_the_fewest(
    serve: Serve, gates: Gates
) -> None:
    _, caller = await serve(gates.engine, admission=limits(active=2, queued=6))
    readings = {name: caller.run(name, founder="greedy") for name in ("g1", "g2")}
    for reading in readings.values():
        await reading.until("run_started")
    for name, founder in (("g3", "greedy"), ("g4", "greedy"), ("m1", "modest")):
        readings[name] = caller.run(name, founder=founder)
        await readings[name].until("run_queued")
    first = await readings["m1"].until("run_queued")
    assert first.run_queued.position == 1
    await gates.finish("g1", readings["g1"])
    await readings["m1"].until("run_started")
    assert "run_started" not in readings["g3"].kinds
    for name in ("g2", "m1", "g3", "g4"):
        await gates.finish(name, readings[name])
    assert all(reading.kinds[-1] == "run_finished" for reading in readings.values())
