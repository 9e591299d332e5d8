"""Two thousand crews: what a first look at all of them costs, and one change then."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.operator.bench import Bench, figure
from tests.operator.manifests import crew
from tests.operator.played_orchestrator import PlayedOrchestrator

_CREWS = int(os.environ.get("VB_SCALE_CREWS", "2000"))
_IDLE_SECONDS = float(os.environ.get("VB_IDLE_SECONDS", "300"))
_PROMPT = "Answer the founder as their coach would, in a few words. " * 20
_MOST_BYTES = 256 * 1024 * 1024


@pytest.mark.soak
@pytest.mark.timeout(1200)
async def test_two_thousand_crews_are_looked_after(bench: Bench) -> None:
    bench.fleet("o1")
    bench.agent()
    bodies = [
        crew(f"crew-{number}", bench.namespace, prompt=f"{number}. {_PROMPT}")
        for number in range(_CREWS)
    ]
    with ThreadPoolExecutor(4) as pool:
        await asyncio.get_running_loop().run_in_executor(
            None, lambda: list(pool.map(bench.api.apply, bodies))
        )

    began = time.monotonic()
    replica = await bench.replica()
    async with PlayedOrchestrator("o1", [replica.address]) as orchestrator:
        await orchestrator.until(lambda told: len(told.served) == _CREWS, seconds=400)
        reconciled = time.monotonic() - began
        async with asyncio.timeout(180):
            # A listing of all crews is no small thing to ask for.
            while await asyncio.to_thread(_ready, bench) < _CREWS:
                await asyncio.sleep(1)
        ready = time.monotonic() - began
        # Counts of orchestrators that were held back are told, too.
        before = -1
        while (now := len(bench.writes())) != before:
            before = now
            await asyncio.sleep(4)
        changed = time.monotonic()
        bench.crew("crew-100", prompt="Answer otherwise.")
        await orchestrator.until_contents(_CREWS + 1)
        delay = time.monotonic() - changed
        memory, computed = replica.memory(), replica.cpu_seconds()
        while (now := len(bench.writes())) != before:
            before = now
            await asyncio.sleep(4)
        await asyncio.sleep(_IDLE_SECONDS)
        idle_writes = bench.writes()[before:]
        idle_computed = replica.cpu_seconds() - computed
        writes = [each.resource for each in bench.writes()]
        refused = [each for each in bench.api.answers("operator-a") if each.code == 429]

    statuses = writes.count("crews/status") / _CREWS
    figure(
        f"{_CREWS} crews: served after {reconciled:.1f} s, ready after {ready:.1f} s;"
        f" {statuses:.2f} status writes each; {memory >> 20} MB;"
        f" {computed:.1f} s of CPU; one change after {delay:.3f} s;"
        f" {len(idle_writes)} writes and {idle_computed:.1f} s of CPU in"
        f" {_IDLE_SECONDS:.0f} idle seconds"
    )
    assert idle_writes == []
    assert memory <= _MOST_BYTES
    # Three each; an orchestrator that had to come again is told, too.
    assert statuses <= 3.1
    assert writes.count("crewrevisions") == _CREWS + 1
    # A new API server is not ready to watch at once; a storm would be hundreds.
    assert len(refused) <= 20


def _ready(bench: Bench) -> int:
    items = bench.api.get("Crew", bench.namespace)["items"]
    return sum((item.get("status") or {}).get("phase") == "Ready" for item in items)
