"""The real process, started where an operator should be."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from libs.testing.stack import free_port
from services.orchestrator.tests.played_operator import PlayedOperator
from services.orchestrator.tests.told_documents import update_of

_SECONDS = 120


class _Process:
    """An orchestrator with its log and its health."""

    def __init__(self, process: asyncio.subprocess.Process, side_port: int) -> None:
        self._process = process
        self._side = f"http://127.0.0.1:{side_port}"
        self.log: list[str] = []

    async def until_logged(self, event: str) -> None:
        """Read the log until it tells of an event."""
        if self._process.stdout is None:
            raise RuntimeError("its output is not read")
        while not any(f'"event": "{event}"' in line for line in self.log):
            line = (await self._process.stdout.readline()).decode()
            assert line, "".join(self.log)
            self.log.append(line)

    async def health(self, path: str) -> int:
        """Ask the side port."""
        async with httpx.AsyncClient(trust_env=False, base_url=self._side) as http:
            return (await http.get(path)).status_code

    async def end(self) -> int:
        """Ask it to stop and give its exit code."""
        self._process.send_signal(signal.SIGTERM)
        await self._process.communicate()
        return self._process.returncode or 0


@asynccontextmanager
async def started(address: str, home: Path) -> AsyncIterator[_Process]:
    """Start the process; it is killed when it does not end by itself."""
    side_port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.orchestrator",
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "VB_ORCHESTRATOR_PORT": "0",
            "VB_ORCHESTRATOR_METRICS_PORT": str(side_port),
            "VB_ORCHESTRATOR_CREW_SOURCE_ADDRESS": address,
            "VB_ORCHESTRATOR_CREW_SOURCE_WAIT_SECONDS": "0",
            "VB_ORCHESTRATOR_STATE_DIRECTORY": str(home / "state"),
        },
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_SECONDS):
            yield _Process(process, side_port)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.timeout(_SECONDS)
async def test_without_crews_it_lives_is_not_ready_and_ends_when_asked(
    tmp_path: Path,
) -> None:
    async with PlayedOperator() as gone:
        address = gone.address
    async with started(address, tmp_path) as process:
        await process.until_logged("no crews yet")
        assert await process.health("/healthz") == httpx.codes.OK
        assert await process.health("/readyz") == httpx.codes.SERVICE_UNAVAILABLE
        assert await process.end() == 0
    assert not any("Traceback" in line for line in process.log)


@pytest.mark.timeout(_SECONDS)
async def test_with_the_first_crews_it_is_ready(tmp_path: Path) -> None:
    async with (
        PlayedOperator(update_of(), stands_by=True) as operator,
        started(operator.address, tmp_path) as process,
    ):
        await process.until_logged("no crews yet")
        operator.stands_by = False
        await process.until_logged("ready")
        assert await process.health("/readyz") == httpx.codes.OK
        assert await process.end() == 0
        assert [line for line in process.log if '"level": "error"' in line] == []
    assert (tmp_path / "state" / "last-known-good.json").exists()
