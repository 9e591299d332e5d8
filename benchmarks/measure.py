"""One measurement: a system, some founders, what they saw and what it cost."""

import asyncio
import json
import subprocess
import sys
import time
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import asdict, dataclass
from statistics import quantiles

from benchmarks.load import Plan, Result
from benchmarks.systems import (
    FIRST_TOKEN_SECONDS,
    TOKENS,
    TOKENS_PER_SECOND,
    System,
    cpu_seconds,
    resident_bytes,
    unique_bytes,
)
from libs.testing.stack import REPOSITORY

__all__ = ["Cell", "idle_socket_bytes", "import_seconds", "measure_cell"]

_STARTS = 3
_CYCLE_SECONDS = FIRST_TOKEN_SECONDS + TOKENS / TOKENS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Cell:
    """A system under one number of founders; times in milliseconds."""

    system: str
    founders: int
    replies: int
    tokens_per_second: float
    send_p50: float
    send_p95: float
    ack_p50: float
    ack_p95: float
    cpu_per_message: float
    cpu_by_role: dict[str, float]
    resident_mb: dict[str, float]
    positions: list[int]
    """Where those stood in the queue whose run had to wait; 0: they were not told."""
    errors: list[str]


async def measure_cell(
    system: System,
    founders: int,
    messages: int,
    *,
    tokens: int = TOKENS,
    beside: AbstractAsyncContextManager[None] | None = None,
) -> Cell:
    """Let founders talk in a closed loop and measure what it cost.

    `beside` is entered once all are warm, and left when the last reply is read.
    """
    plan = Plan(
        url=system.url,
        targets=await system.targets(founders),
        messages=messages,
        tokens=tokens,
        cycle_seconds=_CYCLE_SECONDS,
    )
    async with asyncio.timeout(180):
        generator = await _start_load(plan)
        before = {role: cpu_seconds([pid]) for role, pid in system.pids.items()}
        async with beside or nullcontext():
            result = Result(**json.loads(await _go(generator)))
        after = {role: cpu_seconds([pid]) for role, pid in system.pids.items()}
    spent = {role: 1_000 * (after[role] - before[role]) for role in before}
    count = max(1, result.replies)
    return Cell(
        system=system.name,
        founders=founders,
        replies=result.replies,
        tokens_per_second=result.tokens / result.seconds,
        **_added(result),
        cpu_per_message=sum(spent.values()) / count,
        cpu_by_role={role: cpu / count for role, cpu in spent.items()},
        resident_mb={r: resident_bytes(pid) / 1e6 for r, pid in system.pids.items()},
        positions=result.positions,
        errors=result.errors[:5],
    )


async def idle_socket_bytes(system: System, count: int) -> float:
    """Measure what one idle socket costs the gateway, over `count` of them."""
    targets = await system.targets(count)
    plan = Plan(system.url, targets, 0, TOKENS, _CYCLE_SECONDS)
    gateway = system.pids["gateway"]
    before = unique_bytes(gateway)
    generator = await _start_load(plan)
    held = unique_bytes(gateway) - before
    await _go(generator)
    return held / count


def import_seconds(module: str) -> float:
    """Time a bare import in a new process; the best of some."""
    times = []
    for _ in range(_STARTS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
        times.append(time.perf_counter() - started)
    return min(times)


async def _start_load(plan: Plan) -> asyncio.subprocess.Process:
    generator = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.load"),
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        limit=2**24,
    )
    await _tell(generator, json.dumps(asdict(plan)))
    if await _hear(generator) != "ready":
        raise RuntimeError("the load generator did not start")
    return generator


async def _go(generator: asyncio.subprocess.Process) -> str:
    await _tell(generator, "go")
    answer = await _hear(generator)
    await generator.wait()
    return answer


async def _tell(generator: asyncio.subprocess.Process, line: str) -> None:
    if generator.stdin is not None:
        generator.stdin.write(line.encode() + b"\n")
        await generator.stdin.drain()


async def _hear(generator: asyncio.subprocess.Process) -> str:
    if generator.stdout is None:
        return ""
    return (await generator.stdout.readline()).decode().strip()


def _added(result: Result) -> dict[str, float]:
    """Work out what came on top of the model's own time to the first token."""
    added: dict[str, float] = {}
    for name, times in (("send", result.from_send), ("ack", result.from_ack)):
        cuts = quantiles(times, n=20) if len(times) > 1 else [0.0] * 19
        added[f"{name}_p50"] = 1_000 * (cuts[9] - FIRST_TOKEN_SECONDS)
        added[f"{name}_p95"] = 1_000 * (cuts[18] - FIRST_TOKEN_SECONDS)
    return added
