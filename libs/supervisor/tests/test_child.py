"""Supervised processes: real ones."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from libs.supervisor.child import Child, RestartPolicy

_QUICK = RestartPolicy(first_seconds=0.01, longest_seconds=0.02)


class Output:
    """What children said, to be waited for."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._more = asyncio.Event()

    def say(self, name: str, line: str) -> None:
        """Take a line."""
        self.lines.append(f"{name}: {line}")
        self._more.set()

    async def wait_for(self, found: Callable[[list[str]], bool]) -> None:
        """Return once the lines satisfy a condition."""
        async with asyncio.timeout(20):
            while not found(self.lines):
                self._more.clear()
                await self._more.wait()


def _child(code: str, output: Output, *, grace_seconds: float = 10) -> Child:
    return Child(
        "probe",
        (sys.executable, "-c", code),
        environment=os.environ,
        folder=Path.cwd(),
        say=output.say,
        policy=_QUICK,
        grace_seconds=grace_seconds,
    )


async def test_a_program_that_ends_is_started_again_until_stopped() -> None:
    output = Output()
    child = _child("print('here'); raise SystemExit(3)", output)
    running = asyncio.create_task(child.keep_running())

    await output.wait_for(lambda lines: lines.count("probe: here") >= 3)
    await child.stop()
    await running

    assert "probe: ended with status 3; starting again in 0.01 s" in output.lines


async def test_a_killed_program_is_started_again() -> None:
    output = Output()
    child = _child(
        "import os, time; print('pid', os.getpid()); time.sleep(600)", output
    )
    running = asyncio.create_task(child.keep_running())
    await output.wait_for(lambda lines: len(lines) == 1)

    os.kill(int(output.lines[0].split()[-1]), signal.SIGKILL)
    await output.wait_for(lambda lines: len(lines) == 3)
    await child.stop()
    await running

    assert output.lines[1].startswith("probe: killed by SIGKILL; starting again")


async def test_stopping_asks_before_it_kills() -> None:
    output = Output()
    child = _child(
        "import signal, time\n"
        "def leave(*_): print('asked'); raise SystemExit\n"
        "signal.signal(signal.SIGTERM, leave); print('up'); time.sleep(600)",
        output,
    )
    running = asyncio.create_task(child.keep_running())
    await output.wait_for(lambda lines: "probe: up" in lines)

    await child.stop()
    await running

    assert output.lines == ["probe: up", "probe: asked"]


async def test_a_program_that_will_not_end_is_killed_after_the_grace() -> None:
    output = Output()
    child = _child(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('up'); time.sleep(600)",
        output,
        grace_seconds=0.2,
    )
    running = asyncio.create_task(child.keep_running())
    await output.wait_for(lambda lines: "probe: up" in lines)

    await child.stop()
    await asyncio.wait_for(running, 10)

    assert output.lines[-1] == "probe: still there after 0.2 s: killed"


async def test_a_restart_on_purpose_does_not_wait() -> None:
    output = Output()
    child = _child("import time; print('up'); time.sleep(600)", output)
    running = asyncio.create_task(child.keep_running())
    await output.wait_for(lambda lines: len(lines) == 1)

    await child.restart()
    await output.wait_for(lambda lines: len(lines) == 2)
    await child.stop()
    await running

    assert output.lines == ["probe: up", "probe: up"]


async def test_what_a_program_started_ends_with_it() -> None:
    output = Output()
    child = _child(
        "import subprocess, sys\n"
        "nap = [sys.executable, '-c', 'import time; time.sleep(600)']\n"
        "print('grandchild', subprocess.Popen(nap).pid, flush=True)\n"
        "import time; time.sleep(600)",
        output,
    )
    running = asyncio.create_task(child.keep_running())
    await output.wait_for(lambda lines: len(lines) == 1)

    await child.stop()
    await running

    assert _ends(int(output.lines[0].split()[-1]))


async def test_a_line_longer_than_any_buffer_is_passed_on_whole() -> None:
    output = Output()
    child = _child("print('x' * 300_000); import time; time.sleep(600)", output)
    running = asyncio.create_task(child.keep_running())

    await output.wait_for(lambda lines: len(lines) == 1)
    await child.stop()
    await running

    assert output.lines == ["probe: " + "x" * 300_000]


@pytest.mark.parametrize("mode", [[], ["--watch"]])
async def test_a_leashed_program_dies_with_a_parent_that_is_killed(
    mode: list[str],
) -> None:
    nap = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    parent_code = (
        "import os, subprocess, sys, time\n"
        f"leash = [sys.executable, '-m', 'libs.supervisor.leash', *{mode!r}]\n"
        f"nap = [sys.executable, '-c', {nap!r}]\n"
        "subprocess.Popen([*leash, str(os.getpid()), *nap], stdin=subprocess.PIPE)\n"
        "time.sleep(600)"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", parent_code, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    leashed = int(await asyncio.wait_for(parent.stdout.readline(), 20))
    assert psutil.pid_exists(leashed)

    parent.kill()
    await parent.wait()

    assert await asyncio.to_thread(_ends, leashed)


def test_waiting_doubles_up_to_the_longest() -> None:
    policy = RestartPolicy(first_seconds=1, longest_seconds=5)

    assert [policy.delay(failures) for failures in (1, 2, 3, 4, 50)] == [1, 2, 4, 5, 5]


def _ends(pid: int) -> bool:
    """Wait for a process that is not our own to end (or to be a zombie)."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False
