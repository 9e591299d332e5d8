"""Events are kept within bounds, and whoever is too late is told."""

import asyncio

import grpc.aio
import pytest

from libs.rpc import RemoteError
from services.orchestrator.engine import RunPlan
from services.orchestrator.tests.caller import Caller, request_for
from services.orchestrator.tests.conftest import Serve
from services.orchestrator.tests.scripted_engine import (
    Call,
    Say,
    Script,
    ScriptedEngine,
    WaitFor,
)
from venturebots.orchestrator.v1 import orchestrator_service_pb2 as pb

_LONG = "x" * 2_000
_QUICK = {"sweep_seconds": 0.05}


async def until_unknown(caller: Caller, run_id: str) -> None:
    """Wait until a run's events are gone."""
    async with asyncio.timeout(10):
        while True:
            try:
                await caller.get(run_id)
            except RemoteError:
                return


async def test_a_log_keeps_the_newest_events_within_its_bound(serve: Serve) -> None:
    gate = asyncio.Event()
    script: Script = [WaitFor(gate), *[Call("t")] * 500]
    engine = ScriptedEngine(lambda _: script)
    _, caller = await serve(engine, event_logs={"run_bytes": 20_000})
    reading = caller.run("r1")
    await reading.until("run_started")
    await reading.close()
    gate.set()
    async with asyncio.timeout(10):
        while (await caller.get("r1")).state != pb.RUN_STATE_FINISHED:
            await asyncio.sleep(0)
    last = (await caller.get("r1")).last_offset
    with pytest.raises(RemoteError) as caught:
        await caller.watch("r1", 0).end()
    assert caught.value.code == "events_dropped"
    assert isinstance(caught.value.__cause__, grpc.aio.AioRpcError)
    assert caught.value.__cause__.code() is grpc.StatusCode.DATA_LOSS
    tail = await caller.watch("r1", last - 3).end()
    assert [event.offset for event in tail] == [last - 2, last - 1, last]
    assert tail[-1].HasField("run_finished")


async def test_a_slow_watcher_does_not_hold_up_the_run(serve: Serve) -> None:
    script: Script = [Say([_LONG * 50]), Call("t")] * 20
    _, caller = await serve(ScriptedEngine(lambda _: script))
    slow = aiter(caller.responses(request_for("r1")))
    first = await anext(slow)
    fast = await caller.watch("r1").end()
    assert fast[0] == first.events[0]
    assert fast[-1].HasField("run_finished")
    rest = [event async for response in slow for event in response.events]
    assert [*first.events, *rest] == fast


async def test_events_go_some_time_after_the_end_and_the_id_is_not_reused(
    serve: Serve,
) -> None:
    engine = ScriptedEngine()
    _, caller = await serve(
        engine, event_logs={"kept_seconds": 0, "sweep_seconds": 0.05}
    )
    await caller.run("r1").end()
    await until_unknown(caller, "r1")
    with pytest.raises(RemoteError) as caught:
        await caller.run("r1").end()
    assert caught.value.code == "run_unknown"
    assert engine.executions == {"r1": 1}


async def test_ended_runs_make_room_when_memory_is_short(
    serve: Serve,
) -> None:
    gate = asyncio.Event()

    def script(plan: RunPlan) -> Script:
        is_held = plan.run_id == "held"
        return [Say([_LONG]), WaitFor(gate)] if is_held else [Say([_LONG])]

    _, caller = await serve(
        ScriptedEngine(script),
        event_logs={"total_bytes": 12_000, "sweep_seconds": 0.05},
    )
    held = caller.run("held")
    await held.until("message_delta")
    for number in range(6):
        await caller.run(f"r{number}").end()
    await until_unknown(caller, "r0")
    assert (await caller.get("r5")).last_offset
    gate.set()
    assert (await held.end())[-1].HasField("run_finished")
