"""Start every program, keep them running, end them all together."""

import asyncio
import contextlib
import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from libs.supervisor.child import MISCONFIGURED, Child
from libs.supervisor.programs import Program
from libs.supervisor.readiness import wait_until_ready

__all__ = ["Supervisor", "write_line"]

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Supervisor:
    """The programs of one `make run`, from start to the last one's end."""

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        environment: Mapping[str, str],
        folder: Path,
        when_ready: str,
        say: Callable[[str, str], None],
    ) -> None:
        self._environment = environment
        self._programs = tuple(programs)
        self._when_ready = when_ready
        self._say = say
        self._stopping = asyncio.Event()
        self._is_misconfigured = False
        self.children = {
            program.name: Child(
                program.name,
                program.command,
                environment=environment,
                folder=folder,
                say=say,
            )
            for program in programs
        }

    async def run(self) -> int:
        """Run until SIGINT or SIGTERM, then end every program; twice: at once.

        Returns the exit status: 0, or 2 when a program was misconfigured.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)
        async with asyncio.TaskGroup() as group:
            for child in self.children.values():
                group.create_task(self._keep_running(child))
            announcing = group.create_task(self._announce())
            await self._stopping.wait()
            announcing.cancel()
            for child in self.children.values():
                group.create_task(child.stop())
        return MISCONFIGURED if self._is_misconfigured else 0

    async def _keep_running(self, child: Child) -> None:
        if await child.keep_running():
            self._is_misconfigured = True
            self._say("run", f"{child.name} cannot start with these settings: stopping")
            self._stopping.set()

    def _stop(self) -> None:
        if self._stopping.is_set():
            for child in self.children.values():
                child.kill()
            return
        self._say("run", "stopping; again to stop at once")
        self._stopping.set()

    async def _announce(self) -> None:
        async with asyncio.TaskGroup() as group:
            for program in self._programs:
                group.create_task(self._wait_for(program))
        self._say("run", self._when_ready)

    async def _wait_for(self, program: Program) -> None:
        port, told = program.ready_port, self._environment
        await wait_until_ready(port.host(told), port.number(told))


def write_line(name: str, line: str) -> None:
    """Write a line of a program, named, to standard output.

    Colours are for terminals.
    """
    if not sys.stdout.isatty():
        line = _COLOUR.sub("", line)
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(f"{name:<12} │ {line}\n")
        sys.stdout.flush()
