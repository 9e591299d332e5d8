"""Many runs in one process neither mix, nor leak, nor multiply threads."""

import asyncio
import gc
import threading

import psutil

from services.orchestrator.engine import (
    CrewEngine,
    EndStatus,
    MessageFinished,
)
from services.orchestrator.runtime.compat import Agent, AgentExecutor, Crew, Task
from services.orchestrator.runtime.tests.plans import (
    Recorder,
    make_plan,
    reply_task,
    simulated_model,
    tool_document,
)
from services.orchestrator.runtime.tests.scripted_model import Reply, ScriptedModel

_ROUNDS = 4
_TOOLS = (tool_document("explain-framework"), tool_document("pain-gaps"))
_MEBIBYTE = 1_048_576
_PATIENT = {
    "connect_timeout_seconds": 60,
    "first_token_timeout_seconds": 60,
    "idle_timeout_seconds": 60,
    "total_timeout_seconds": 120,
}


async def test_a_hundred_runs_at_once_share_few_threads_and_no_words(
    engine: CrewEngine,
) -> None:
    records = [Recorder() for _ in range(100)]
    plans = [
        make_plan(
            simulated_model(tokens_per_second=400),
            reply_task(suggestions=True),
            tools=_TOOLS,
            run_id=f"run-{number}",
            session_id=f"session-{number}",
            message=f"Every week the number{number}number gets lost in my notes",
        )
        for number in range(100)
    ]
    threads = 0

    async def watch() -> None:
        nonlocal threads
        while True:
            threads = max(threads, threading.active_count())
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for plan, record in zip(plans, records, strict=True):
            group.create_task(engine.run(plan, record))
    watching.cancel()
    assert 1 <= threads < 50
    for number, record in enumerate(records):
        assert record.unfinished == set()
        others = {f"number{other}number" for other in range(100)} - {
            f"number{number}number"
        }
        assert not [word for word in others if word in record.text]
        assert len({ended.message_id for ended in record.of(MessageFinished)}) == 1


async def test_finished_and_cancelled_runs_leave_nothing_behind(
    engine: CrewEngine,
) -> None:
    process = psutil.Process()
    earlier = {id(found) for found in _crewai_objects()}
    sizes: list[int] = []
    for _ in range(_ROUNDS):
        await _finish_runs(engine, 100)
        await _cancel_runs(engine, 100)
        kept = [found for found in _crewai_objects() if id(found) not in earlier]
        assert [type(found).__name__ for found in kept] == []
        sizes.append(process.memory_info().rss)
    grown = sizes[-1] - sizes[0]
    assert grown < 4 * _MEBIBYTE, [size // _MEBIBYTE for size in sizes]
    assert threading.active_count() < 50


def _crewai_objects() -> list[object]:
    """Every living crew, agent, task and executor."""
    gc.collect()
    kinds = (Crew, Agent, Task, AgentExecutor)
    return [found for found in gc.get_objects() if isinstance(found, kinds)]


async def _finish_runs(engine: CrewEngine, runs: int) -> None:
    plan = make_plan(simulated_model(), tools=_TOOLS)
    for _ in range(runs):
        # In a task, as a server does: CrewAI leaves traces in the context.
        await asyncio.create_task(engine.run(plan, Recorder()))


async def _cancel_runs(engine: CrewEngine, runs: int) -> None:
    """Runs all at once, each cancelled in the middle of its message."""
    async with ScriptedModel(Reply(pieces=("Hel", "lo"), stalls=True)) as server:
        # The first of them waits until the last has begun, however slow the machine.
        plan = make_plan(server.document(**_PATIENT))
        records = [Recorder() for _ in range(runs)]
        running = [asyncio.create_task(engine.run(plan, record)) for record in records]
        async with asyncio.timeout(60):
            while not all(record.text == "Hello" for record in records):
                await asyncio.sleep(0.01)
                assert not any(task.done() for task in running)
        for task in running:
            task.cancel()
        await asyncio.wait(running)
    assert all(task.cancelled() for task in running)
    for record in records:
        assert record.of(MessageFinished)[0].status is EndStatus.CANCELLED
