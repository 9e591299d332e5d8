"""One supervised process: started, listened to, started again, ended."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MISCONFIGURED", "Child", "RestartPolicy"]

MISCONFIGURED = 2
"""The exit status of a service whose settings are wrong: trying again is no use."""

_CHUNK_BYTES = 65_536
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How long to wait before starting again what ended by itself."""

    first_seconds: float = 0.5
    longest_seconds: float = 10.0
    healthy_after_seconds: float = 20.0

    def delay(self, failures: int) -> float:
        """Double the wait with every failure in a row, from the first."""
        doubled = self.first_seconds * 2.0 ** min(failures - 1, 32)
        return min(doubled, self.longest_seconds)


class Child:
    """Keeps one command running until told to stop.

    The command has a session of its own, so that Ctrl-C reaches the supervisor
    alone, and ends with the supervisor however that ends (see `leash`).
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        say: Callable[[str, str], None],
        policy: RestartPolicy | None = None,
        grace_seconds: float = 12.0,
    ) -> None:
        self.name = name
        self._command = tuple(command)
        self._environment = {**environment, "PYTHONUNBUFFERED": "1"}
        self._folder = folder
        self._say = say
        self._policy = policy or RestartPolicy()
        self._grace_seconds = grace_seconds
        self._process: Process | None = None
        self._stopping = asyncio.Event()
        self._is_restart_wanted = False

    async def keep_running(self) -> bool:
        """Start the command, and again whenever it ends, until `stop`.

        Returns whether it ended for good because its settings are wrong.
        """
        failures = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            status = await self._run_once()
            if self._stopping.is_set():
                break
            if status == MISCONFIGURED:
                return True
            if self._is_restart_wanted:
                self._is_restart_wanted, failures = False, 0
                continue
            if time.monotonic() - started >= self._policy.healthy_after_seconds:
                failures = 0
            failures += 1
            delay = self._policy.delay(failures)
            self._say(self.name, f"{_ending(status)}; starting again in {delay:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)
        return False

    async def restart(self) -> None:
        """End the command so that it is started anew at once."""
        self._is_restart_wanted = True
        await self._end()

    async def stop(self) -> None:
        """End the command: asked first, killed after the grace."""
        self._stopping.set()
        await self._end()

    def kill(self) -> None:
        """End the command and what it started, without asking."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _run_once(self) -> int:
        leash = (sys.executable, "-m", "libs.supervisor.leash", str(os.getpid()))
        process = await asyncio.create_subprocess_exec(
            *leash,
            *self._command,
            cwd=self._folder,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        self._process = process
        if self._stopping.is_set():  # meanwhile: `stop` found nothing to end
            self.kill()
        listening = asyncio.create_task(self._pass_on_output(process))
        try:
            return await _ended(process)
        finally:
            # What it may have started ends with it, and lets go of the output.
            self.kill()
            self._process = None
            await listening

    async def _pass_on_output(self, process: Process) -> None:
        # Not `readline`: a line may be longer than any limit.
        if process.stdout is None:
            return
        rest = b""
        while chunk := await process.stdout.read(_CHUNK_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._say(self.name, line.decode(errors="replace"))
        if rest:
            self._say(self.name, rest.decode(errors="replace"))

    async def _end(self) -> None:
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(_ended(process), self._grace_seconds)
        except TimeoutError:
            self._say(self.name, f"still there after {self._grace_seconds:g} s: killed")
            self.kill()


async def _ended(process: Process) -> int:
    """Return the status once the process itself has ended.

    `process.wait` would wait for all that hold its output as well.
    """
    while process.returncode is None:  # noqa: ASYNC110 - there is no such event
        await asyncio.sleep(_POLL_SECONDS)
    return process.returncode


def _ending(status: int) -> str:
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"ended with status {status}"
