"""Where a process's Python is, sampled from outside by py-spy and folded into parts."""

import asyncio
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.profile.threads import PY_SPY

__all__ = ["Part", "Samples", "sampled"]

_A_SECOND = 250
_THREAD = re.compile(r"thread \((\d+)\)(?:: (.*))?")


@dataclass(frozen=True, slots=True)
class Part:
    """What is counted together: stacks with a frame that a pattern is found in.

    Of several parts the first one counts; without a pattern it takes the rest.
    """

    name: str
    pattern: str = ""


@dataclass(slots=True)
class Samples:
    """The stacks of one process's busy threads and how often each was seen."""

    stacks: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By the thread's name and the frames, the outermost first, joined by `;`."""

    def shares(self, thread: str, parts: Sequence[Part]) -> dict[str, float]:
        """Fold a thread's stacks into parts; their shares of the thread."""
        seen: Counter[str] = Counter()
        for (name, frames), count in self.stacks.items():
            if name == thread:
                seen[_part_of(frames, parts)] += count
        total = max(1, seen.total())
        return {part.name: seen[part.name] / total for part in parts}

    def busiest(self, thread: str, count: int) -> list[tuple[str, float]]:
        """Functions by the samples in which they were the innermost; their shares."""
        seen: Counter[str] = Counter()
        for (name, frames), times in self.stacks.items():
            if name == thread:
                seen[re.sub(r":\d+\)$", ")", frames.rpartition(";")[2])] += times
        total = max(1, seen.total())
        return [(name, times / total) for name, times in seen.most_common(count)]


def _part_of(frames: str, parts: Sequence[Part]) -> str:
    for part in parts:
        if re.search(part.pattern, frames):
            return part.name
    return "?"


@asynccontextmanager
async def sampled(
    pids: Mapping[str, int],
    folder: Path,
    found: dict[str, Samples],
    *,
    is_interpreting: bool,
) -> AsyncIterator[None]:
    """Sample processes, by role, for as long as the context lasts.

    `is_interpreting`: only threads that hold the interpreter's lock. Else those that
    wait for something may be among them.
    """
    options = ("--gil",) if is_interpreting else ()
    spies = {
        role: await _spy(pid, folder / f"{role}.stacks", *options)
        for role, pid in pids.items()
    }
    yield
    for role, spy in spies.items():
        spy.send_signal(signal.SIGINT)
        await spy.wait()
        found[role] = _read(folder / f"{role}.stacks")


async def _spy(pid: int, target: Path, *options: str) -> asyncio.subprocess.Process:
    words = ("record", "--threads", "--format", "raw", "--rate", str(_A_SECOND))
    spy = await asyncio.create_subprocess_exec(
        *(PY_SPY, *words, *options, "--pid", str(pid), "--output", str(target)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    if spy.stdout is not None:
        await spy.stdout.readline()
    return spy


def _read(path: Path) -> Samples:
    samples = Samples()
    for line in path.read_text("utf-8").splitlines():
        stack, _, count = line.rpartition(" ")
        thread, _, frames = stack.partition(";")
        match = _THREAD.fullmatch(thread)
        if match:
            samples.stacks[match[2] or "", frames] += int(count)
    return samples
