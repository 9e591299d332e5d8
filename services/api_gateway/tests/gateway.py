"""A gateway served by uvicorn on a free port, in the test's own event loop."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI

from services.api_gateway.app import create_app
from services.api_gateway.config import Config
from services.api_gateway.context import Context
from services.api_gateway.runs.resolver import Lookup, look_up_by_system
from services.api_gateway.server import GatewayServer, create_server
from services.api_gateway.store import DispatchPlace, RunProposal

__all__ = [
    "RunningGateway",
    "answer_run",
    "config_for",
    "new_session",
    "open_gateway",
    "problem_of",
    "raw_request",
    "say",
]

NO_ORCHESTRATOR = "127.0.0.1:1"


@dataclass(frozen=True, slots=True)
class RunningGateway:
    """A gateway that listens."""

    url: str
    port: int
    app: FastAPI
    context: Context
    server: GatewayServer

    @property
    def cookie_name(self) -> str:
        """Under which browsers keep the founder's token."""
        return self.context.founders.cookie_name

    def http(self, token: str | None = None) -> httpx.AsyncClient:
        """A client, of a founder when a token is given."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.AsyncClient(
            base_url=self.url, headers=headers, timeout=30, trust_env=False
        )

    async def new_token(self) -> str:
        """A new founder's token."""
        async with self.http() as http:
            answer = await http.post("/v1/founder", json={"deliver": "body"})
            token: str = answer.raise_for_status().json()["token"]
            return token


def config_for(directory: Path, **settings: object) -> Config:
    """Settings of a gateway that keeps to a directory."""
    given: dict[str, Any] = {
        "port": 0,
        "metrics_port": 0,
        "instance_name": "test",
        "database_path": directory / "venturebots.db",
        "page_directory": directory / "dist",
        "orchestrator_addresses": (NO_ORCHESTRATOR,),
        "drain_seconds": 0,
    }
    return Config(**(given | settings))


@asynccontextmanager
async def open_gateway(
    config: Config,
    *,
    clock: Callable[[], float] = time.time,
    look_up: Lookup = look_up_by_system,
) -> AsyncIterator[RunningGateway]:
    """Serve until the block ends."""
    app = create_app(config, clock=clock, look_up=look_up)
    listener = socket.create_server((config.host, 0))
    port = listener.getsockname()[1]
    async with app.router.lifespan_context(app):
        context: Context = app.state.context
        server = create_server(app, config, context)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await _until_it_answers(config.host, port)
        try:
            yield RunningGateway(
                url=f"http://{config.host}:{port}",
                port=port,
                app=app,
                context=context,
                server=server,
            )
        finally:
            server.should_exit = True
            await serving


async def _until_it_answers(host: str, port: int) -> None:
    # The listener takes connections before the server does: wait for an answer.
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        (await http.get(f"http://{host}:{port}/healthz")).raise_for_status()


async def new_session(http: httpx.AsyncClient, **body: object) -> dict[str, Any]:
    """Create a session in which the coach waits to be spoken to."""
    given = {"request_id": str(uuid4()), "opening": False} | body
    answer = await http.post("/v1/sessions", json=given)
    session: dict[str, Any] = answer.raise_for_status().json()
    return session


async def say(http: httpx.AsyncClient, session_id: str, text: str) -> httpx.Response:
    """Send a message; the text may be anything JSON can escape."""
    return await http.post(
        f"/v1/sessions/{session_id}/messages",
        content=json.dumps({"request_id": str(uuid4()), "text": text}),
        headers={"Content-Type": "application/json"},
    )


async def answer_run(gateway: RunningGateway, run_id: str, text: str) -> str:
    """Let a run end well as if an orchestrator had answered; the reply's id."""
    store = gateway.context.store
    await store.record_dispatch(run_id, DispatchPlace(NO_ORCHESTRATOR, "instance"))
    reply = str(uuid4())
    end = {"message_id": reply, "status": "complete", "length": len(text)}
    await store.append_run_events(
        run_id,
        [
            RunProposal(1, "message.started", {"message_id": reply, "agent": "coach"}),
            RunProposal(2, "message.delta", {"message_id": reply, "text": text}),
            RunProposal(3, "message.finished", end),
            RunProposal(4, "run.finished", {}),
        ],
    )
    return reply


async def raw_request(port: int, request: bytes) -> bytes:
    """Send bytes as they are; returns what comes back until the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()


def problem_of(answer: httpx.Response) -> Mapping[str, Any]:
    """The problem an answer tells; fails unless its shape is whole."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem: dict[str, Any] = answer.json()
    assert set(problem) == {
        "type",
        "title",
        "status",
        "code",
        "detail",
        "request_id",
        "retryable",
        "retry_after_ms",
        "errors",
    }
    assert problem["status"] == answer.status_code
    assert problem["type"] == f"urn:venturebots:problem:{problem['code']}"
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["detail"]
    return problem
