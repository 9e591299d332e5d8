"""Starting and stopping: a drain loses nothing, a second gateway is refused."""

import dataclasses
from collections import Counter
from pathlib import Path

import httpx

from libs.testing.client import FounderClient
from libs.testing.model_server import ModelServer, Pace
from libs.testing.stack import Gateway, Stack, StackProcess, free_port, until
from tests.integration.proofs import prove_shown_is_stored, verify_database

_EXIT_SECONDS = 10


async def test_sigterm_drains_and_the_next_start_takes_the_run_up(
    model_stack: Stack, model: ModelServer, model_founder: FounderClient
) -> None:
    model.pace = Pace(tokens_per_second=30, tokens_per_reply=150)
    session = await model_founder.create_session()
    stream = session["stream"]
    async with model_founder.following(session["session_id"]) as socket:
        state = socket.state(stream)
        sent = await model_founder.send(session["session_id"], "Go on [seed:drain]")
        await socket.until(lambda: len(state.seen("message.delta")) > 2)
        model_stack.gateway.signal_stop()
        status = await model_stack.gateway.exited(timeout_seconds=_EXIT_SECONDS)
        assert status == 0, model_stack.gateway.log_tail()
        assert socket.closes[0] == 1012
        await model_stack.gateway.start()
        assert await socket.ended(stream, sent["run_id"]) == "run.finished"
        assert state.reply_to(sent["run_id"]) == model.requests[0].text
        assert state.snapshots == 0, "a clean stop keeps the epoch"
        await prove_shown_is_stored(model_founder, session["session_id"], state)
    assert len(model.requests) == 1
    await verify_database(model_stack.database)


async def test_a_second_gateway_on_the_same_file_refuses_to_start(
    stack: Stack, founder: FounderClient
) -> None:
    port = free_port()
    second = Gateway(
        name="second-gateway",
        module=stack.gateway.module,
        port=port,
        directory=stack.directory,
        environment=stack.gateway.environment
        | {
            "VB_GATEWAY_PORT": str(port),
            "VB_GATEWAY_METRICS_PORT": str(free_port()),
        },
    )
    second.spawn()
    assert await second.exited(timeout_seconds=30) != 0
    assert "Traceback" not in second.log_tail()
    assert str(stack.database.name) in second.log_tail()
    assert await founder.create_session()


async def test_without_an_orchestrator_the_gateway_serves_and_tells(
    stack: Stack, founder: FounderClient
) -> None:
    session = await founder.create_session()
    stack.orchestrator.kill()
    try:
        async with founder.following(session["session_id"]) as socket:
            assert (await founder.http.get("/readyz")).status_code == httpx.codes.OK
            sent = await founder.send(session["session_id"], "Anybody there?")
            end = await socket.ended(session["stream"], sent["run_id"])
            assert end == "run.failed"
            run = await founder.run(sent["run_id"])
            assert run["error"]["retryable"]
            roles = Counter(
                each["role"] for each in await founder.messages(session["session_id"])
            )
            assert roles == {"founder": 1}, "no error text is the coach's word"
            await stack.orchestrator.start()
            again = await founder.retry(sent["run_id"])
            end = await socket.ended(session["stream"], again["run_id"])
            assert end == "run.finished"
    finally:
        if not stack.orchestrator.is_running:
            await stack.orchestrator.start()


async def test_a_misspelt_setting_is_refused(stack: Stack) -> None:
    broken = dataclasses.replace(
        stack.gateway,
        name="misspelt-gateway",
        environment=stack.gateway.environment | {"VB_GATEWAY_PROT": "1"},
    )
    broken.spawn()
    assert await broken.exited(timeout_seconds=30) != 0
    assert "VB_GATEWAY_PROT" in broken.log_tail()


async def test_a_second_signal_cuts_a_drain_short(tmp_path: Path) -> None:
    settings = {"VB_ORCHESTRATOR_DRAIN_GRACE_SECONDS": "600"}
    async with (
        Stack(tmp_path, tokens_per_second=1, orchestrator_settings=settings) as slow,
        await FounderClient.arrive(slow.url) as founder,
    ):
        session = await founder.create_session()
        async with founder.following(session["session_id"]) as socket:
            await founder.send(session["session_id"], "At length, please.")
            state = socket.state(session["stream"])
            await socket.until(lambda: bool(state.seen("message.delta")))
            for process in (slow.orchestrator, slow.gateway):
                process.signal_stop()

                async def drains(process: StackProcess = process) -> bool:
                    return '"draining"' in process.log_tail()

                await until(drains, timeout_seconds=30, what=process.name)
                process.signal_stop()
                assert await process.exited(30) == 0, process.log_tail()
                assert "Traceback" not in process.log_tail()
