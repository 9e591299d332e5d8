"""After 300 stopped and 1,000 finished runs the orchestrator is as it was."""

import asyncio
import dataclasses
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc.aio
import psutil
import pytest

from libs.testing.stack import Orchestrator, Stack, until
from venturebots.orchestrator.v1 import orchestrator_service_pb2 as messages
from venturebots.orchestrator.v1 import orchestrator_service_pb2_grpc as services

_FINISHED = 1_000
_CANCELLED = 300
_BATCHES = 4
_AT_ONCE = 50
_CANCELLED_AT_ONCE = 10
_MAX_GROWTH = 0.03
_MAX_THREADS = 50


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orchestrator]:
    """Run an orchestrator that reports on itself, its model fast."""
    directory: Path = tmp_path_factory.mktemp("probed")
    stack = Stack(directory, tokens_per_second=100)
    orchestrator = dataclasses.replace(
        stack.orchestrator,
        module="tests.integration.orchestrator_probe",
        environment=stack.orchestrator.environment
        | {
            "PROBE_REPORT": str(directory / "report.json"),
            "VB_ORCHESTRATOR_LOG_LEVEL": "warning",
            "VB_ORCHESTRATOR_EVENT_LOGS__KEPT_SECONDS": "2",
            "VB_ORCHESTRATOR_ADMISSION__FOUNDER_SHARE_PERCENT": "100",
        },
    )
    asyncio.run(orchestrator.start())
    try:
        yield orchestrator
    finally:
        orchestrator.stop()


async def _run(
    stub: "services.OrchestratorServiceAsyncStub", *, is_cancelled: bool
) -> str:
    """Execute one run, or stop it at its first word; returns its last event."""
    run_id = str(uuid4())
    request = messages.RunRequest(
        run_id=run_id,
        session_id=str(uuid4()),
        founder_ref="founder",
        message=messages.MessageTrigger(message_id=str(uuid4()), text="Why?"),
    )
    last = ""
    async for response in stub.Run(request):
        kinds = [event.WhichOneof("payload") for event in response.events]
        last = kinds[-1] or ""
        if is_cancelled and "message_delta" in kinds:
            is_cancelled = False
            await stub.CancelRun(
                messages.CancelRunRequest(run_id=run_id, reason="founder")
            )
    return last


async def _runs(
    orchestrator: Orchestrator, count: int, *, is_cancelled: bool
) -> list[str]:
    # Fewer at once when the moment matters.
    gate = asyncio.Semaphore(_CANCELLED_AT_ONCE if is_cancelled else _AT_ONCE)
    options = [("grpc.enable_http_proxy", 0)]
    async with grpc.aio.insecure_channel(orchestrator.address, options) as channel:
        stub = services.OrchestratorServiceStub(channel)

        async def one() -> str:
            async with gate:
                return await _run(stub, is_cancelled=is_cancelled)

        return await asyncio.gather(*(one() for _ in range(count)))


def _report(orchestrator: Orchestrator) -> dict[str, Any]:
    path = Path(orchestrator.environment["PROBE_REPORT"])
    path.unlink(missing_ok=True)
    psutil.Process(orchestrator.pid).send_signal(signal.SIGUSR1)

    async def is_written() -> bool:
        return os.path.exists(path)  # noqa: ASYNC240, PTH110 - a stat of a local file

    asyncio.run(until(is_written, timeout_seconds=30, what="the probe's report"))
    report: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return report


@pytest.mark.timeout(300)
def test_runs_leave_nothing_behind(probed: Orchestrator) -> None:
    process = psutil.Process(probed.pid)
    cancelled = asyncio.run(_runs(probed, _CANCELLED, is_cancelled=True))
    assert cancelled.count("run_cancelled") == _CANCELLED
    rss, ends = [], list[str]()
    for _ in range(_BATCHES):
        ends += asyncio.run(_runs(probed, _FINISHED // _BATCHES, is_cancelled=False))
        # A report collects what only awaits the collector's turn.
        _report(probed)
        rss.append(process.memory_info().rss)
    assert ends.count("run_finished") == _FINISHED
    # By half of them every allocator has seen the load; from then nothing may grow.
    grown = rss[-1] / rss[_BATCHES // 2 - 1] - 1

    assert process.num_threads() < _MAX_THREADS
    report = _report(probed)
    assert report["objects"] == {}, "crewai objects outlive their runs"
    assert report["foreign"] == [], "something was called beyond loopback"
    assert grown < _MAX_GROWTH, f"memory grew by {grown:.1%}"
    home = Path(probed.directory / "home")
    files = [str(each.relative_to(home)) for each in home.rglob("*") if each.is_file()]
    assert all("crewai" in each for each in files), files
    assert len(files) <= 1, files
