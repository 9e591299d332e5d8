"""What every thread of a process spends on a processor: `/proc/<pid>/task/*/stat`."""

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

__all__ = ["PY_SPY", "ThreadTimes"]

PY_SPY: Final = str(Path(sys.executable).with_name("py-spy"))
_TICKS = os.sysconf("SC_CLK_TCK")
_AFTER_NAME = re.compile(r"\) (.*)", re.DOTALL)
_USER, _SYSTEM = 11, 12
"""Where they stand behind the thread's name (proc(5) counts them 14 and 15)."""


@dataclass(slots=True)
class ThreadTimes:
    """Seconds of a process's threads while something was measured, by what they do."""

    pids: Mapping[str, int]
    seconds: dict[str, dict[str, float]] = field(default_factory=dict)

    @asynccontextmanager
    async def measured(self) -> AsyncIterator[None]:
        """Count what the threads spend inside."""
        before = {role: _seconds(pid) for role, pid in self.pids.items()}
        yield
        for role, pid in self.pids.items():
            after, names = _seconds(pid), _names(pid)
            spent: defaultdict[str, float] = defaultdict(float)
            for thread, seconds in after.items():
                name = _kind(names.get(thread), is_main=thread == pid)
                spent[name] += seconds - before[role].get(thread, 0.0)
            self.seconds[role] = spent


def _seconds(pid: int) -> dict[int, float]:
    found: dict[int, float] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        match = _AFTER_NAME.search((task / "stat").read_text("utf-8"))
        if match:
            fields = match[1].split()
            ticks = int(fields[_USER]) + int(fields[_SYSTEM])
            found[int(task.name)] = ticks / _TICKS
    return found


def _names(pid: int) -> dict[int, str]:
    """Threads that Python knows, by their number for the system."""
    said = subprocess.run(
        [PY_SPY, "dump", "--json", "--nonblocking", "--pid", str(pid)],
        capture_output=True,
        check=True,
    )
    return {
        each["os_thread_id"]: each["thread_name"] for each in json.loads(said.stdout)
    }


def _kind(name: str | None, *, is_main: bool) -> str:
    if is_main:
        return "event loop"
    if name is None:
        return "gRPC and other threads below Python"
    return "store writer" if name == "store-writer" else "other threads of Python"
