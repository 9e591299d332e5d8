"""A hundred founders for half an hour, first in peace, then among killed processes.

`VB_SOAK_MINUTES` (30) and `VB_SOAK_FOUNDERS` (100) choose another length and crowd.
A run of the whole length leaves its figures in `benchmarks/soak.jsonl`.
"""

import asyncio
import os
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest

from benchmarks import history
from benchmarks.systems import spawn
from libs.testing.stack import Stack, free_port, until
from tests.integration.proofs import verify_database
from tests.soak.blows import Blow, Blows
from tests.soak.founder_life import FounderLife, Tally
from tests.soak.process_watch import (
    COUNTED,
    ProcessWatch,
    Usage,
    megabytes_per_hour,
    thirds,
    warm,
)

_WHOLE_MINUTES = 30.0
_WHOLE_CROWD = 100
_MINUTES = float(os.environ.get("VB_SOAK_MINUTES", _WHOLE_MINUTES))
_FOUNDERS = int(os.environ.get("VB_SOAK_FOUNDERS", _WHOLE_CROWD))
_HISTORY = history.PATH.with_name("soak.jsonl")
_PEACE_SECONDS = _MINUTES * 60 * 0.4
_BLOWS_SECONDS = _MINUTES * 60 * 0.6
_WARMING_FOUNDERS = 20
_LOOK_SECONDS = 5.0
_BETWEEN_BLOWS = (15.0, 40.0)
_BLOWS_PER_MINUTE = {Blow.KILL: 0.5, Blow.STOP: 0.2, Blow.HOLD: 0.2}
"""At least; half of what the pauses between them allow."""
_GROWTH = 1.1
"""Between the first and the last third of the peace, once it is warm."""
_PEACE_GROWTH = 0.05
"""Of a process's memory in that time, by the line through all looks."""
_FEWEST_LOOKS = 36
"""Three minutes: a shorter peace, of a shorter run, tells nothing about memory."""
_LEFT_OVER: Final = {"threads": 2, "files": 2, "tasks": 2}
"""At most, once the crowd has gone, in the process that served it."""
_LEFT_OVER_ELSEWHERE: Final = {"files": 10, "tasks": 2}
"""The same in a process that was started later than what it is held against."""
_IDLE_SECONDS = 90.0
_FORGETS_SOON: Final = {"VB_ORCHESTRATOR_EVENT_LOGS__KEPT_SECONDS": "60"}
"""Ended runs are kept for 600 s otherwise: memory would only be flat after those."""


@asynccontextmanager
async def _model() -> AsyncIterator[str]:
    port = free_port()
    pace = ("--first-token-seconds", "0.2", "--tokens-per-second", "50")
    child = spawn("libs.testing.model_server", "--port", str(port), *pace)
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        child.kill()
        child.wait()


class _Crowd:
    """Founders who come and go at once, until their time is over."""

    def __init__(
        self, stack: Stack, tally: Tally, founders: int, seconds: float
    ) -> None:
        self._ends = time.monotonic() + seconds
        self._lives = [
            FounderLife(stack.url, random.Random(number), tally, self.may_go_on)  # noqa: S311 - as above
            for number in range(founders)
        ]

    def may_go_on(self) -> bool:
        """Whether a founder may begin something."""
        return time.monotonic() < self._ends

    async def live(self) -> None:
        """Let them all come, and wait until the last has gone."""
        async with asyncio.TaskGroup() as crowd:
            for life in self._lives:
                crowd.create_task(life.live())


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _assert_flat(watch: ProcessWatch, usages: list[Usage]) -> dict[str, float]:
    """Hold what was used late in the peace against what was used early."""
    name, seen = watch.process.name, len(usages)
    assert seen >= _PEACE_SECONDS / _LOOK_SECONDS / 2, f"{name} was hardly seen"
    usages = list(warm(usages))
    if len(usages) < _FEWEST_LOOKS:
        _tell(f"{name}: the peace was too short to tell of memory")
        return {}
    early, late = thirds(usages)
    slope = megabytes_per_hour(usages)
    rss = [statistics.median(usage.rss_mb for usage in part) for part in (early, late)]
    hours = (usages[-1].at - usages[0].at) / 3_600
    _tell(f"{name}: MB {rss}, {slope:+.1f} MB/h over {len(usages)} looks")
    assert rss[1] <= rss[0] * _GROWTH, f"{name}: {rss} MB"
    assert slope * hours <= rss[0] * _PEACE_GROWTH, f"{name}: {slope:+.1f} MB/h"
    for counted in COUNTED:
        most = [max(each.count(counted) for each in part) for part in (early, late)]
        _tell(f"{name}: {counted} {most}")
        assert most[1] <= most[0] * _GROWTH + 20, f"{name}: {counted} {most}"
    return {f"{name} MB/h": slope, f"{name} MB": rss[1]}


async def _assert_idle_as_before(
    watch: ProcessWatch, before: Usage, allowed: Mapping[str, int]
) -> dict[str, float]:
    """Every task of the crowd has to be gone again, and its threads and sockets."""

    async def is_idle() -> bool:
        now = await watch.look()
        return all(
            now.count(counted) <= before.count(counted) + more
            for counted, more in allowed.items()
        )

    name = watch.process.name
    what = f"{name} idle as before ({before})"
    try:
        await until(is_idle, timeout_seconds=_IDLE_SECONDS, what=what)
    finally:
        _tell(f"{name}: before {before}, after {watch.usages[-1]}")
    return {
        f"{name} {counted} left over": watch.usages[-1].count(counted)
        - before.count(counted)
        for counted in allowed
    }


async def _in_peace(
    stack: Stack, tally: Tally, watches: list[ProcessWatch]
) -> dict[str, float]:
    """Watch the processes while they are used, and afterwards, when they are not."""
    before = [watch.usages[-1] for watch in watches]
    crowd = _Crowd(stack, tally, _FOUNDERS, _PEACE_SECONDS)
    begun = [len(watch.usages) for watch in watches]
    async with asyncio.TaskGroup() as watching:
        looking = [watching.create_task(each.watch(_LOOK_SECONDS)) for each in watches]
        living = watching.create_task(crowd.live())
        await asyncio.sleep(_PEACE_SECONDS)
        for task in looking:
            task.cancel()
        await living
    _tell(f"in peace: {tally}")
    figures: dict[str, float] = {}
    for watch, first in zip(watches, begun, strict=True):
        figures |= _assert_flat(watch, watch.usages[first:])
    for watch, usage in zip(watches, before, strict=True):
        figures |= await _assert_idle_as_before(watch, usage, _LEFT_OVER)
        assert watch.usages[-1].pid == usage.pid
    return figures


async def _among_blows(stack: Stack, tally: Tally) -> Blows:
    blows = Blows(stack, random.Random(20))  # noqa: S311 - moments, not secrets
    crowd = _Crowd(stack, tally, _FOUNDERS, _BLOWS_SECONDS)
    async with asyncio.TaskGroup() as living:
        living.create_task(crowd.live())
        while crowd.may_go_on():
            await asyncio.sleep(blows.chance.uniform(*_BETWEEN_BLOWS))
            await blows.next()
    _tell(f"in all: {tally}\nblows: {blows.told}")
    for blow, per_minute in _BLOWS_PER_MINUTE.items():
        least = int(per_minute * _BLOWS_SECONDS / 60)
        assert blows.struck[blow] >= least, f"{blow}: {blows.struck}"
    return blows


@pytest.mark.soak
@pytest.mark.timeout(_MINUTES * 60 + 900)
async def test_a_crowd_is_served_for_long_and_nothing_is_lost_or_kept(
    tmp_path: Path,
) -> None:
    tally = Tally()
    async with (
        _model() as model_url,
        Stack(
            tmp_path,
            model_url=model_url,
            model_patience_seconds=10,
            orchestrator_settings=_FORGETS_SOON,
        ) as stack,
    ):
        watches = [ProcessWatch(each) for each in (stack.gateway, stack.orchestrator)]
        await _warmed(stack)
        before = [await watch.settled() for watch in watches]
        figures = await _in_peace(stack, tally, watches)
        blows = await _among_blows(stack, tally)
        for watch, usage in zip(watches, before, strict=True):
            await _assert_idle_as_before(watch, usage, _LEFT_OVER_ELSEWHERE)
        assert set(tally.ends) <= {"run.finished", "run.cancelled", "run.failed"}
        assert tally.ends["run.finished"] > sum(tally.ends.values()) / 2
        await verify_database(stack.database)
    figures |= {blow.value: count for blow, count in blows.struck.items()}
    figures |= tally.ends
    figures |= {"talks": tally.talks, "commands repeated": tally.repeated_commands}
    _tell(f"figures: {figures}")
    if (_MINUTES, _FOUNDERS) == (_WHOLE_MINUTES, _WHOLE_CROWD):
        history.append(
            {"minutes": _MINUTES, "founders": _FOUNDERS, **figures}, _HISTORY
        )


async def _warmed(stack: Stack) -> None:
    """Some founders at once, so that what is made once is made and pools are full."""
    await _Crowd(stack, Tally(), _WARMING_FOUNDERS, 10.0).live()
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(stack.url + "/readyz")).is_success
