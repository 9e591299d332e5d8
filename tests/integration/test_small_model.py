"""A real language model, small and local: the whole way, word by word.

Uses the server at VB_SMALL_MODEL_URL (its address ending in `/v1`), or starts one
when the optional packages are there; else the stage is skipped, or fails when
VB_REQUIRE_REAL=1 asks for it.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from libs.testing.client import FounderClient
from libs.testing.stack import REPOSITORY, Stack, free_port, until
from tests.integration.proofs import prove_shown_is_stored
from tests.integration.small_model_server import missing_package

_PATIENCE_SECONDS = 120


@pytest.fixture(scope="module")
def model_url() -> Iterator[str]:
    """Give the address of a real model."""
    if url := os.environ.get("VB_SMALL_MODEL_URL"):
        yield url
        return
    if missing := missing_package():
        reason = f"no VB_SMALL_MODEL_URL, and {missing} is not installed"
        if os.environ.get("VB_REQUIRE_REAL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.small_model_server", str(port)],
        cwd=REPOSITORY,
    )
    try:
        asyncio.run(_until_healthy(port))
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(10)


async def _until_healthy(port: int) -> None:
    async def is_healthy() -> bool:
        async with httpx.AsyncClient(trust_env=False) as http:
            try:
                answer = await http.get(f"http://127.0.0.1:{port}/health")
            except httpx.TransportError:
                return False
            return answer.is_success

    await until(is_healthy, timeout_seconds=60, what="the small model")


@pytest.fixture(scope="module")
def real_stack(
    tmp_path_factory: pytest.TempPathFactory, model_url: str
) -> Iterator[Stack]:
    """Run the stack on the real model."""
    directory: Path = tmp_path_factory.mktemp("small_model")
    stack = Stack(directory, model_url=model_url, model_patience_seconds=60)
    asyncio.run(stack.start())
    try:
        yield stack
    finally:
        stack.stop()


@pytest.mark.timeout(300)
async def test_a_real_model_streams_and_its_tokens_are_counted(
    real_stack: Stack,
) -> None:
    async with await FounderClient.arrive(real_stack.url) as founder:
        session = await founder.create_session()
        async with founder.following(session["session_id"]) as socket:
            state = socket.state(session["stream"])
            sent = await founder.send(session["session_id"], "What is a business?")
            await socket.until(
                lambda: sent["run_id"] in state.run_ends,
                timeout_seconds=_PATIENCE_SECONDS,
            )
            assert state.run_ends[sent["run_id"]] == "run.finished"
            assert len(state.seen("message.delta")) > 1
            assert state.reply_to(sent["run_id"]).strip()
            await prove_shown_is_stored(founder, session["session_id"], state)
        run = await founder.run(sent["run_id"])
        assert run["prompt_tokens"] > 0
        assert run["completion_tokens"] > 1


@pytest.mark.timeout(300)
async def test_a_real_model_can_be_stopped(real_stack: Stack) -> None:
    async with await FounderClient.arrive(real_stack.url) as founder:
        session = await founder.create_session()
        async with founder.following(session["session_id"]) as socket:
            state = socket.state(session["stream"])
            sent = await founder.send(session["session_id"], "Tell me a long story.")
            await socket.until(
                lambda: bool(state.seen("message.delta")),
                timeout_seconds=_PATIENCE_SECONDS,
            )
            await founder.cancel(sent["run_id"])
            end = await socket.ended(session["stream"], sent["run_id"])
            assert end in {"run.cancelled", "run.finished"}
            await prove_shown_is_stored(founder, session["session_id"], state)
