"""The process: it starts once per database, and stops when it is told to."""

import asyncio
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from http import HTTPStatus
from pathlib import Path

import httpx
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from services.api_gateway.context import open_context
from services.api_gateway.peers import PeerPolicy
from services.api_gateway.tests.gateway import config_for, new_session, say
from services.api_gateway.wire.frames import SUBPROTOCOL, CloseCode

DRAIN_SECONDS = 10


@asynccontextmanager
async def _process(
    directory: Path, port: int, *arguments: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.api_gateway",
        *arguments,
        env={
            "PATH": os.environ["PATH"],
            "VB_GATEWAY_PORT": str(port),
            "VB_GATEWAY_METRICS_PORT": "0",
            "VB_GATEWAY_DATABASE_PATH": str(directory / "venturebots.db"),
            "VB_GATEWAY_ORCHESTRATOR_ADDRESSES": "127.0.0.1:1",
            "VB_GATEWAY_LOG_FORMAT": "json",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def _answered(http: httpx.AsyncClient) -> httpx.Response:
    async with asyncio.timeout(60):
        while True:
            try:
                return await http.get("/readyz")
            except httpx.TransportError:
                await asyncio.sleep(0.05)


async def _until_ready(http: httpx.AsyncClient) -> None:
    assert (await _answered(http)).status_code == HTTPStatus.OK


async def test_no_probe_hears_ready_before_the_store_is_open(tmp_path: Path) -> None:
    config = config_for(tmp_path, metrics_port=_free_port())
    peers = PeerPolicy(external_url=None, allowed_origins=(), trusted_proxies=())
    url = f"http://127.0.0.1:{config.metrics_port}"
    async with open_context(config, peers):
        pass
    with closing(sqlite3.connect(config.database_path)) as other:
        other.execute("BEGIN IMMEDIATE")
        opening = open_context(config, peers)
        entering = asyncio.create_task(opening.__aenter__())
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            answer = await _answered(http)
            assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
            other.rollback()
            await entering
            answer = await _answered(http)
            assert answer.status_code == HTTPStatus.OK
        await opening.__aexit__(None, None, None)


async def test_a_gateway_told_to_stop_stops_and_loses_nothing(tmp_path: Path) -> None:
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        async with _process(tmp_path, port) as first:
            await _until_ready(http)
            created = await http.post("/v1/founder", json={"deliver": "body"})
            token = created.json()["token"]
            http.headers["Authorization"] = f"Bearer {token}"
            session = await new_session(http)
            await say(http, session["session_id"], "still here?")

            async with _process(tmp_path, _free_port()) as second:
                refusal = (await second.communicate())[1].decode()
                assert second.returncode == 1
                assert "venturebots.db" in refusal
                assert "Traceback" not in refusal

            first.send_signal(signal.SIGTERM)
            async with asyncio.timeout(DRAIN_SECONDS):
                output, errors = await first.communicate()
            assert first.returncode == 0
            assert b"Traceback" not in output + errors
            assert token.encode() not in output + errors
            assert b"still here?" not in output + errors

        async with _process(tmp_path, port, "verify") as check:
            told = (await check.communicate())[0].decode()
            assert check.returncode == 0, told
            assert told.endswith("0 contradictions\n")

        async with _process(tmp_path, port):
            await _until_ready(http)
            path = f"/v1/sessions/{session['session_id']}/messages"
            messages = (await http.get(path)).json()["messages"]
            assert [message["text"] for message in messages] == ["still here?"]


async def test_sockets_and_live_streams_are_told_to_come_back(tmp_path: Path) -> None:
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    async with (
        _process(tmp_path, port) as process,
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as http,
        AsyncExitStack() as stack,
    ):
        await _until_ready(http)
        created = (await http.post("/v1/founder", json={"deliver": "body"})).json()
        headers = {"Authorization": f"Bearer {created['token']}"}
        sockets = [
            await stack.enter_async_context(
                connect(
                    f"ws://127.0.0.1:{port}/v1/socket",
                    subprotocols=[Subprotocol(SUBPROTOCOL)],
                    additional_headers=headers,
                    proxy=None,
                )
            )
            for _ in range(5)
        ]
        for each in sockets:
            await each.send('{"type": "hello", "streams": []}')
            assert '"welcome"' in str(await each.recv())
        path = f"/v1/streams/{created['stream']}/live"
        live = await stack.enter_async_context(
            http.stream("GET", path, headers=headers)
        )
        assert live.status_code == HTTPStatus.OK
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(DRAIN_SECONDS):
            for each in sockets:
                await each.wait_closed()
                assert each.close_code == CloseCode.DRAINING
            assert "draining" in (await live.aread()).decode()
            await process.wait()
        assert process.returncode == 0


async def test_a_taken_port_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with _process(tmp_path, port) as process:
            output, errors = await process.communicate()
            assert process.returncode
            assert b"address already in use" in output + errors
            assert b"Traceback" not in output + errors
