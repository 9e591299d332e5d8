"""The real services under the supervisor of `make run`."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest

from libs.testing.stack import free_port

_ROOT = Path(__file__).parents[2]
_READY_SECONDS = 60


class Supervised:
    """A supervisor, its two services and what they say."""

    def __init__(self, process: Process, url: str) -> None:
        self.process = process
        self.url = url
        self._output: list[str] = []

    async def said(self, text: str) -> str:
        """Read on until a line holds the text; return it."""
        assert self.process.stdout is not None
        async with asyncio.timeout(_READY_SECONDS):
            while line := (await self.process.stdout.readline()).decode():
                self._output.append(line)
                if text in line:
                    return line
        pytest.fail("".join(self._output))

    def services(self) -> dict[str, psutil.Process]:
        """Return the running services by their module."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return {child.cmdline()[-1]: child for child in children}


@pytest.fixture
async def supervised(tmp_path: Path) -> AsyncIterator[Supervised]:
    """Run the real services under the supervisor until both are ready."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "libs.supervisor"),
        cwd=_ROOT,
        env={
            **os.environ,
            "VB_GATEWAY_PORT": str(port),
            "VB_GATEWAY_METRICS_PORT": str(free_port()),
            "VB_ORCHESTRATOR_PORT": str(free_port()),
            "VB_ORCHESTRATOR_METRICS_PORT": str(free_port()),
            "VB_GATEWAY_DATABASE_PATH": str(tmp_path / "venturebots.db"),
            "VB_ORCHESTRATOR_DEFAULT_MODEL": "simulated",
        },
        stdout=asyncio.subprocess.PIPE,
    )
    stack = Supervised(process, f"http://127.0.0.1:{port}")
    try:
        await stack.said("ready: open")
        yield stack
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def test_a_killed_orchestrator_is_started_again(supervised: Supervised) -> None:
    first = supervised.services()["services.orchestrator"]

    first.kill()
    told = await supervised.said("starting again")
    await supervised.said(" ready ")
    second = supervised.services()["services.orchestrator"]

    assert told.startswith("orchestrator")
    assert "killed by SIGKILL" in told
    assert second.pid != first.pid


async def test_killing_the_supervisor_ends_both_services(
    supervised: Supervised,
) -> None:
    services = supervised.services()
    assert set(services) == {"services.orchestrator", "services.api_gateway"}
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"{supervised.url}/readyz")).is_success

        supervised.process.kill()
        await supervised.process.wait()
        await asyncio.to_thread(psutil.wait_procs, services.values(), timeout=20)

        with pytest.raises(httpx.ConnectError):
            await http.get(f"{supervised.url}/readyz")
