"""In a container each service is process 1, which unhandled signals do not end."""

import asyncio
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from libs.testing.client import FounderClient
from libs.testing.stack import Stack, StackProcess, free_port, until
from tests.integration.proofs import verify_database

_START_SECONDS = 60
_STOP_SECONDS = 60
_AS_FIRST = ("unshare", "--pid", "--fork", "--kill-child")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Processes that will be the first of a PID namespace; none is started."""
    if (
        shutil.which("unshare") is None
        or subprocess.run([*_AS_FIRST, "true"], check=False).returncode
    ):
        pytest.skip("PID namespaces cannot be made here")
    stack = Stack(tmp_path)
    for process in (stack.gateway, stack.orchestrator):
        process.wrapper = _AS_FIRST
    yield stack
    for process in (stack.gateway, stack.orchestrator):
        process.kill()


async def _alive(process: StackProcess, port_setting: str) -> None:
    """Start a process and wait until it answers for its health."""
    process.spawn()
    url = f"http://127.0.0.1:{process.environment[port_setting]}/healthz"

    async def answers() -> bool:
        with suppress(httpx.TransportError):
            async with httpx.AsyncClient(trust_env=False) as http:
                return (await http.get(url)).is_success
        return False

    await until(answers, timeout_seconds=_START_SECONDS, what=process.name)


async def _ends(process: StackProcess) -> None:
    """Send SIGTERM to the first process of the namespace; it ends in order."""
    [first] = psutil.Process(process.pid).children()
    first.send_signal(signal.SIGTERM)
    status = await process.exited(_STOP_SECONDS)
    assert status == 0, process.log_tail()
    assert "Traceback" not in process.log_tail()


async def test_an_orchestrator_that_is_still_starting_stops(stack: Stack) -> None:
    await _alive(stack.orchestrator, "VB_ORCHESTRATOR_METRICS_PORT")
    await _ends(stack.orchestrator)
    assert '"ready"' not in stack.orchestrator.log_tail()


async def test_a_gateway_that_still_opens_its_database_stops(stack: Stack) -> None:
    with closing(sqlite3.connect(stack.database)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("BEGIN IMMEDIATE")
        await _alive(stack.gateway, "VB_GATEWAY_METRICS_PORT")
        ending = asyncio.create_task(_ends(stack.gateway))
        await asyncio.sleep(0)
        other.rollback()
        await ending
    assert '"serving"' not in stack.gateway.log_tail()


async def test_services_that_serve_stop_when_they_are_told(stack: Stack) -> None:
    await stack.start()
    await _ends(stack.gateway)
    await _ends(stack.orchestrator)


async def test_a_second_gateway_in_another_container_is_refused(
    stack: Stack, tmp_path: Path
) -> None:
    await stack.gateway.start()
    volume = tmp_path / "volume"
    volume.mkdir()
    mounted = f'mount --bind "{stack.directory}" "{volume}" && exec "$@"'
    second = replace(
        stack.gateway,
        name="second-gateway",
        port=free_port(),
        wrapper=(*_AS_FIRST, "--mount", "sh", "-c", mounted, "sh"),
    )
    second.environment = second.environment | {
        "VB_GATEWAY_PORT": str(second.port),
        "VB_GATEWAY_METRICS_PORT": str(free_port()),
        "VB_GATEWAY_DATABASE_PATH": str(volume / stack.database.name),
    }
    for _ in range(2):  # whoever scaled it starts it again
        second.spawn()
        assert await second.exited(_START_SECONDS) == 1
        assert "process 1 on " in second.log_tail()
        assert "Traceback" not in second.log_tail()
    async with await FounderClient.arrive(stack.url) as founder:
        assert await founder.create_session()
    await _ends(stack.gateway)
    await verify_database(stack.database)
