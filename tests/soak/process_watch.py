"""What two processes use while they are worked: memory, threads, files, tasks."""

import asyncio
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import httpx
import psutil

from libs.testing.scrape import scraped
from libs.testing.stack import StackProcess

__all__ = [
    "COUNTED",
    "ProcessWatch",
    "Usage",
    "megabytes_per_hour",
    "thirds",
    "warm",
]

_MB = 1_000_000
_TASKS = "venturebots_asyncio_tasks"
_WARMING_SECONDS = 240.0
_SETTLED_LOOKS = 4
_SETTLED_SECONDS = 60.0
COUNTED: Final = ("threads", "files", "tasks")
"""What a process has as many of, idle again, as before."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process used at one moment, on the clock that only goes forward."""

    at: float
    pid: int
    rss_mb: float
    threads: int
    files: int
    tasks: int

    def count(self, name: str) -> int:
        """Tell one of `COUNTED`."""
        value: int = getattr(self, name)
        return value


@dataclass(slots=True)
class ProcessWatch:
    """Reads what a process uses, from the system and from its metrics."""

    process: StackProcess
    usages: list[Usage] = field(default_factory=list)

    async def look(self) -> Usage:
        """Note what it uses now."""
        tasks = int(await scraped(self.process, _TASKS))
        system = psutil.Process(self.process.pid)
        usage = Usage(
            at=time.monotonic(),
            pid=system.pid,
            rss_mb=round(system.memory_info().rss / _MB, 1),
            threads=system.num_threads(),
            files=system.num_fds(),
            tasks=tasks,
        )
        self.usages.append(usage)
        return usage

    async def watch(self, seconds: float) -> None:
        """Look again and again, until cancelled; who gets no answer looks later."""
        while True:
            with suppress(httpx.TransportError):
                await self.look()
            await asyncio.sleep(seconds)

    async def settled(self) -> Usage:
        """Look until several looks in a row counted the same; returns the last."""
        alike: list[tuple[int, ...]] = []
        async with asyncio.timeout(_SETTLED_SECONDS):
            while True:
                usage = await self.look()
                alike.append(tuple(usage.count(name) for name in COUNTED))
                if alike[-_SETTLED_LOOKS:] == alike[-1:] * _SETTLED_LOOKS:
                    return usage
                await asyncio.sleep(1)


def warm(usages: Sequence[Usage]) -> Sequence[Usage]:
    """Leave out the minutes in which a crowd fills pools, caches and the heap."""
    return [usage for usage in usages if usage.at >= usages[0].at + _WARMING_SECONDS]


def thirds(usages: Sequence[Usage]) -> tuple[Sequence[Usage], Sequence[Usage]]:
    """The first and the last third."""
    size = len(usages) // 3
    return usages[:size], usages[-size:]


def megabytes_per_hour(usages: Sequence[Usage]) -> float:
    """How memory grows, by least squares over all looks."""
    hours = [usage.at / 3_600 for usage in usages]
    return statistics.linear_regression(hours, [each.rss_mb for each in usages]).slope
