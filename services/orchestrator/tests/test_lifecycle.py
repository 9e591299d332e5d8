"""Readiness, draining, callers' tokens and crews that change under way."""

import asyncio
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, override

import grpc.aio
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from libs.errors import ErrorKind
from libs.rpc import RemoteError
from libs.testing.stack import free_port
from services.orchestrator.__main__ import main
from services.orchestrator.app import Orchestrator, create_orchestrator
from services.orchestrator.config import Config
from services.orchestrator.engine import Emit, RunPlan
from services.orchestrator.errors import NoCrewsError, PortTakenError
from services.orchestrator.server import SERVICE_NAME
from services.orchestrator.tests.caller import Caller
from services.orchestrator.tests.conftest import Serve
from services.orchestrator.tests.crews import DOCUMENTS, write_documents
from services.orchestrator.tests.scripted_engine import (
    Say,
    ScriptedEngine,
    WaitFor,
)
from venturebots.orchestrator.v1 import orchestrator_service_pb2 as pb

_STATUS = health_pb2.HealthCheckResponse


async def health_of(port: int, service: str = "") -> int:
    """Ask the health service, without a token, as a kubelet does."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
        return int(answer.status)


async def readiness_of(orchestrator: Orchestrator) -> int:
    """Ask the side port."""
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"http://127.0.0.1:{orchestrator.metrics_port}/readyz"
        return (await client.get(url)).status_code


class SlowToWarmUp(ScriptedEngine):
    """Warms up when it is told to."""

    def __init__(self, gate: asyncio.Event) -> None:
        super().__init__()
        self._gate = gate

    @override
    async def warm_up(self) -> None:
        """Wait for the gate."""
        await self._gate.wait()


async def test_no_run_is_taken_before_the_warm_up(documents: Path) -> None:
    gate = asyncio.Event()
    config = Config(port=0, metrics_port=0, config_directory=documents.parent)
    engine = SlowToWarmUp(gate)
    orchestrator = create_orchestrator(config, make_engine=lambda _: engine)
    starting = asyncio.create_task(orchestrator.start())
    async with asyncio.timeout(10):
        while not orchestrator.port:
            await asyncio.sleep(0)
    caller = Caller(f"127.0.0.1:{orchestrator.port}")
    with pytest.raises(RemoteError) as caught:
        await caller.run("r1").end()
    assert (caught.value.kind, caught.value.code) == (
        ErrorKind.UNAVAILABLE,
        "not_ready",
    )
    assert await health_of(orchestrator.port) == _STATUS.NOT_SERVING
    assert await health_of(orchestrator.port, "readiness") == _STATUS.NOT_SERVING
    assert await health_of(orchestrator.port, "liveness") == _STATUS.SERVING
    assert await readiness_of(orchestrator) == 503
    assert not (await caller.crews()).ready
    gate.set()
    await starting
    assert await health_of(orchestrator.port) == _STATUS.SERVING
    assert await health_of(orchestrator.port, "readiness") == _STATUS.SERVING
    assert await readiness_of(orchestrator) == 200
    assert (await caller.run("r1").end())[-1].HasField("run_finished")
    await caller.aclose()
    await orchestrator.stop(grace_seconds=0)
    assert engine.is_closed


async def test_draining_lets_runs_end_and_takes_no_new_ones(serve: Serve) -> None:
    gate = asyncio.Event()
    engine = ScriptedEngine(lambda _: [Say(["Hel"]), WaitFor(gate), Say(["lo"])])
    orchestrator, caller = await serve(engine)
    reading = caller.run("r1")
    await reading.until("message_delta")
    stopping = asyncio.create_task(orchestrator.stop(grace_seconds=60))
    async with asyncio.timeout(10):
        while (await caller.crews()).ready:
            await asyncio.sleep(0)
    with pytest.raises(RemoteError) as caught:
        await caller.run("r2").end()
    assert (caught.value.code, caught.value.retryable) == ("draining", True)
    attached = caller.run("r1")
    await attached.until("message_delta")
    gate.set()
    assert (await reading.end())[-1].HasField("run_finished")
    assert await attached.end() == reading.events
    await stopping
    assert engine.executions == {"r1": 1}


async def test_a_draining_process_is_alive_not_ready_and_still_obeys(
    serve: Serve, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n", "utf-8")
    engine = ScriptedEngine(lambda _: [Say(["Hel"]), WaitFor(asyncio.Event())])
    orchestrator, caller = await serve(engine, token_file=token)
    reading = caller.run("r1")
    await reading.until("message_delta")
    stopping = asyncio.create_task(orchestrator.stop(grace_seconds=60))
    async with asyncio.timeout(10):
        while (await caller.crews()).ready:
            await asyncio.sleep(0)
    assert await health_of(orchestrator.port, "liveness") == _STATUS.SERVING
    for service in ("", "readiness", SERVICE_NAME):
        assert await health_of(orchestrator.port, service) == _STATUS.NOT_SERVING
    attached = caller.watch("r1", 0)
    await attached.until("message_delta")
    await caller.cancel("r1")
    assert (await attached.end())[-1].HasField("run_cancelled")
    await stopping


async def test_an_end_that_nobody_read_is_kept_for_who_comes_back(
    serve: Serve,
) -> None:
    gate = asyncio.Event()
    engine = ScriptedEngine(lambda _: [Say(["Hel"]), WaitFor(gate), Say(["lo"])])
    orchestrator, caller = await serve(engine)
    reading = caller.run("r1")
    await reading.until("message_delta")
    await reading.close()
    # One connection keeps its order: what is answered now came after the
    # hanging up, so the end below has no reader.
    await caller.crews()
    stopping = asyncio.create_task(orchestrator.stop(grace_seconds=60))
    gate.set()
    async with asyncio.timeout(10):
        while (await caller.get("r1")).state != pb.RUN_STATE_FINISHED:
            await asyncio.sleep(0)
    assert not stopping.done()
    assert (await caller.watch("r1", 0).end())[-1].HasField("run_finished")
    async with asyncio.timeout(10):
        await stopping


async def test_an_end_that_nobody_reads_outlasts_no_grace(serve: Serve) -> None:
    orchestrator, caller = await serve(ScriptedEngine())
    reading = caller.run("r1")
    await reading.close()
    async with asyncio.timeout(10):
        await orchestrator.stop(grace_seconds=0.1)


async def test_runs_that_outlast_the_grace_are_told_to_stop(serve: Serve) -> None:
    engine = ScriptedEngine(lambda _: [Say(["Hel"]), WaitFor(asyncio.Event())])
    orchestrator, caller = await serve(engine)
    reading = caller.run("r1")
    await reading.until("message_delta")
    await orchestrator.stop(grace_seconds=0.1)
    events = await reading.end()
    assert events[-1].run_cancelled.reason == "shutdown"


class Deaf(ScriptedEngine):
    """Goes on when it is told to stop."""

    def __init__(self, gate: asyncio.Event) -> None:
        super().__init__()
        self._gate = gate

    @override
    async def run(self, plan: RunPlan, emit: Emit) -> None:
        """Wait for the gate, whoever cancels."""
        while not self._gate.is_set():
            with suppress(asyncio.CancelledError):
                await self._gate.wait()


async def test_a_run_that_does_not_stop_holds_up_neither_its_end_nor_the_process(
    serve: Serve,
) -> None:
    gate = asyncio.Event()
    orchestrator, caller = await serve(Deaf(gate))
    reading = caller.run("r1")
    await reading.until("run_started")
    async with asyncio.timeout(10):
        await orchestrator.stop(grace_seconds=0)
    events = await reading.end()
    assert events[-1].run_cancelled.reason == "shutdown"
    gate.set()


async def test_callers_must_show_the_token(serve: Serve, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n", "utf-8")
    orchestrator, caller = await serve(ScriptedEngine(), token_file=token)
    assert (await caller.run("r1").end())[-1].HasField("run_finished")
    stranger = Caller(f"127.0.0.1:{orchestrator.port}")
    with pytest.raises(RemoteError) as caught:
        await stranger.run("r2").end()
    assert caught.value.kind is ErrorKind.UNAUTHENTICATED
    assert await health_of(orchestrator.port) == _STATUS.SERVING
    await stranger.aclose()


def test_listening_beyond_loopback_needs_a_token() -> None:
    with pytest.raises(ValueError, match="VB_ORCHESTRATOR_TOKEN_FILE"):
        Config(host="0.0.0.0")  # noqa: S104 - that it is refused is the point
    assert Config(host="::", allow_unauthenticated=True).address == "[::]:50051"


async def test_a_taken_port_is_a_clear_error(serve: Serve, documents: Path) -> None:
    orchestrator, _ = await serve(ScriptedEngine())
    config = Config(
        port=orchestrator.port, metrics_port=0, config_directory=documents.parent
    )
    second = create_orchestrator(config, make_engine=lambda _: ScriptedEngine())
    with pytest.raises(PortTakenError, match=str(orchestrator.port)):
        await second.start()
    await second.stop(grace_seconds=0)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"default_model": "gone"}, "no ModelProvider 'gone'"),
        ({"config_directory": "/none"}, "no \\*.yaml below it"),
    ],
)
async def test_without_valid_crews_the_start_fails_with_the_reasons(
    documents: Path, setting: dict[str, object], message: str
) -> None:
    config = Config.model_validate(
        {"port": 0, "metrics_port": 0, "config_directory": documents.parent} | setting
    )
    orchestrator = create_orchestrator(config, make_engine=lambda _: ScriptedEngine())
    with pytest.raises(NoCrewsError, match=message):
        await orchestrator.start()
    await orchestrator.stop(grace_seconds=0)


def test_the_settings_can_be_shown_and_a_wrong_one_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VB_ORCHESTRATOR_ADMISSION__ACTIVE_RUNS", "7")
    assert main(["--print-config"]) == 0
    assert "VB_ORCHESTRATOR_ADMISSION__ACTIVE_RUNS=7\n" in capsys.readouterr().out
    monkeypatch.setenv("VB_ORCHESTRATOR_ADMISION", "x")
    assert main(["--print-config"]) == 2
    assert "VB_ORCHESTRATOR_ADMISION" in capsys.readouterr().err


async def until_rejected(caller: Caller, *, is_rejected: bool) -> pb.ListCrewsResponse:
    """Wait until the newest documents are rejected, or no longer."""
    async with asyncio.timeout(15):
        while True:
            answer = await caller.crews()
            if bool(answer.rejected) is is_rejected:
                return answer
            await asyncio.sleep(0.02)


async def test_an_edit_is_served_to_the_next_run_and_a_bad_one_is_not(
    serve: Serve, documents: Path
) -> None:
    engine = ScriptedEngine()
    orchestrator, caller = await serve(engine)
    before = {crew.name: crew.digest for crew in (await caller.crews()).crews}

    worse = DOCUMENTS.replace("agent: coach\n      sugg", "agent: nobody\n      sugg")
    write_documents(documents.parent, worse)
    answer = await until_rejected(caller, is_rejected=True)
    line = worse[: worse.index("agent: nobody")].count("\n") + 1
    assert list(answer.rejected) == [
        f"{documents}:{line}: $.spec.tasks[0].agent: no Agent 'nobody'"
    ]
    assert {crew.name: crew.digest for crew in answer.crews} == before
    assert (await caller.run("r1").end())[-1].HasField("run_finished")
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"http://127.0.0.1:{orchestrator.metrics_port}/metrics"
        metrics = (await client.get(url)).text
    assert "venturebots_crew_diagnostics 1.0" in metrics
    assert 'venturebots_crew_reloads_total{result="rejected"} 1.0' in metrics

    better = DOCUMENTS.replace("You have helped many.", "You have helped a few.")
    write_documents(documents.parent, better.replace("runTimeoutSeconds: 30", ""))
    answer = await until_rejected(caller, is_rejected=False)
    after = {crew.name: crew.digest for crew in answer.crews}
    assert all(after[name] != digest for name, digest in before.items())
    reading = caller.run("r2")
    await reading.end()
    started = reading.events[0].run_started
    assert started.digest == after["coaching"]
    assert started.generations["GuardrailPolicy/strict"] == 2
    assert started.generations["ModelProvider/simulated"] == 1
    assert engine.plans[-1].crew.agents["coach"].backstory == "You have helped a few."


async def test_a_directory_put_in_the_place_of_another_is_followed(
    serve: Serve, documents: Path
) -> None:
    _, caller = await serve(ScriptedEngine())
    before = {crew.name: crew.digest for crew in (await caller.crews()).crews}
    shutil.rmtree(documents.parent)
    await until_rejected(caller, is_rejected=True)
    documents.parent.mkdir()
    write_documents(documents.parent)
    await until_rejected(caller, is_rejected=False)
    edited = DOCUMENTS.replace("You have helped many.", "You have helped a few.")
    async with asyncio.timeout(15):
        while {crew.name: crew.digest for crew in (await caller.crews()).crews} == (
            before
        ):
            write_documents(documents.parent, edited)
            await asyncio.sleep(0.5)


async def test_a_file_whose_name_is_no_text_is_told_as_any_other(
    serve: Serve, documents: Path
) -> None:
    _, caller = await serve(ScriptedEngine())
    odd = documents.with_name("\udcff.yaml")
    odd.write_text("kind: Crew\n", "utf-8")
    answer = await until_rejected(caller, is_rejected=True)
    assert "\\udcff.yaml" in answer.rejected[0]
    odd.unlink()
    await until_rejected(caller, is_rejected=False)


async def test_a_running_run_keeps_the_crew_it_began_with(
    serve: Serve, documents: Path
) -> None:
    gate = asyncio.Event()
    seen: list[str] = []

    class Rereading(ScriptedEngine):
        """Looks at its crew before and after the gate."""

        @override
        async def run(self, plan: RunPlan, emit: Emit) -> None:
            """Note the crew twice."""
            seen.append(plan.crew.digest)
            await super().run(plan, emit)
            seen.append(plan.crew.digest)

    _, caller = await serve(Rereading(lambda _: [Say(["Hi"]), WaitFor(gate)]))
    reading = caller.run("r1")
    digest = (await reading.until("run_started")).run_started.digest
    write_documents(documents.parent, DOCUMENTS.replace("helped many", "helped few"))
    async with asyncio.timeout(15):
        while (await caller.crews()).crews[0].digest == digest:
            await asyncio.sleep(0.02)
    gate.set()
    await reading.end()
    assert seen == [digest, digest]


async def _first_health(port: int) -> int:
    """Wait until the process says that it lives; the status of its readiness."""
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", trust_env=False
    ) as http:
        while True:
            try:
                assert (await http.get("/healthz")).is_success
            except httpx.TransportError:
                await asyncio.sleep(0.02)
            else:
                return (await http.get("/readyz")).status_code


async def test_the_process_lives_early_serves_and_drains_on_sigterm(
    documents: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
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
            "VB_ORCHESTRATOR_CONFIG_DIRECTORY": str(documents.parent),
        },
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    log: list[str] = []
    try:
        async with asyncio.timeout(60):
            early = await _first_health(side_port)
            while not log or '"event": "ready"' not in log[-1]:
                line = (await process.stdout.readline()).decode()
                assert line, "\n".join(log)
                log.append(line)
            process.send_signal(signal.SIGTERM)
            rest, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    assert '"event": "stopped"' in rest.decode()
    assert early == httpx.codes.SERVICE_UNAVAILABLE
