"""A gateway with nothing but live connections, on a real port."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Self
from uuid import uuid4

import uvicorn
from starlette.types import ASGIApp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from services.api_gateway.fanout_local import LocalFanout
from services.api_gateway.http_protocol import HttpProtocol
from services.api_gateway.socket.protocol import SOCKET_SERVER_OPTIONS
from services.api_gateway.socket.registry import SocketRegistry
from services.api_gateway.socket.services import LiveServices
from services.api_gateway.socket.settings import SocketSettings
from services.api_gateway.socket.tests.memory import (
    BEARER,
    AllPeers,
    CountedSlots,
    MemoryLog,
    RecordingCommands,
    authenticate,
)

__all__ = ["Client", "Parts", "serve"]

WAIT_SECONDS = 20
type Frame = dict[str, Any]


@dataclass
class Parts:
    """The services of one test's gateway and where it listens."""

    log: MemoryLog
    fanout: LocalFanout
    commands: RecordingCommands
    registry: SocketRegistry
    slots: CountedSlots
    services: LiveServices
    port: int = 0

    @classmethod
    def create(cls) -> Self:
        """Make everything, empty."""
        fanout = LocalFanout()
        log = MemoryLog(fanout)
        commands = RecordingCommands(log)
        registry = SocketRegistry()
        slots = CountedSlots()
        services = LiveServices(
            store=log,
            fanout=fanout,
            commands=commands,
            registry=registry,
            authenticate=authenticate,
            peers=AllPeers(),
            slots=slots,
        )
        return cls(log, fanout, commands, registry, slots, services)

    def configure(self, **changes: Any) -> None:
        """Change the socket settings of connections to come."""
        settings = replace(self.services.settings, **changes)
        self.services = replace(self.services, settings=settings)

    @property
    def settings(self) -> SocketSettings:
        """The socket settings of connections to come."""
        return self.services.settings

    @asynccontextmanager
    async def client(self, *streams: Frame, **hello: Any) -> AsyncIterator["Client"]:
        """A client that said hello and was welcomed."""
        async with self.connect() as client:
            await client.send({"type": "hello", "streams": list(streams), **hello})
            client.welcome = await client.receive()
            assert client.welcome["type"] == "welcome"
            yield client

    @asynccontextmanager
    async def connect(
        self,
        *,
        bearer: str = BEARER,
        **options: Any,
    ) -> AsyncIterator["Client"]:
        """A client that has said nothing yet."""
        options.setdefault("subprotocols", [Subprotocol("vb.v1")])
        async with connect(
            f"ws://127.0.0.1:{self.port}/v1/socket",
            additional_headers={"Authorization": bearer},
            compression=None,
            ping_interval=None,
            max_queue=None,
            **options,
        ) as websocket:
            yield Client(websocket)


class Client:
    """Speaks frames over a real socket."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self.welcome: Frame = {}

    async def send(self, frame: Frame | str | bytes) -> None:
        """Send a frame, or text or bytes as they are."""
        await self.websocket.send(
            frame if isinstance(frame, str | bytes) else json.dumps(frame)
        )

    async def receive(self) -> Frame:
        """The next frame."""
        async with asyncio.timeout(WAIT_SECONDS):
            frame: Frame = json.loads(await self.websocket.recv())
        return frame

    async def until(self, frame_type: str) -> list[Frame]:
        """Every frame up to the first of a type."""
        frames = [await self.receive()]
        while frames[-1]["type"] != frame_type:
            frames.append(await self.receive())
        return frames

    async def events_through(self, seq: int) -> list[int]:
        """The sequence numbers of the events until one is reached."""
        seqs: list[int] = []
        while not seqs or seqs[-1] < seq:
            frame = await self.receive()
            if frame["type"] == "message.delta":
                seqs.append(frame["seq"])
        return seqs

    async def close_code(self) -> int:
        """Read on until the gateway closes; its code."""
        with suppress(ConnectionClosed):
            while True:
                await self.receive()
        code = self.websocket.close_code
        assert code is not None
        return code


def message(stream: str, text: str = "hi", **changes: Any) -> Frame:
    """A command that says something in a session."""
    return {
        "type": "message.send",
        "request_id": str(uuid4()),
        "session_id": stream.removeprefix("session:"),
        "text": text,
        **changes,
    }


@asynccontextmanager
async def serve(app: ASGIApp, **options: Any) -> AsyncIterator[int]:
    """Serve an application on a free port, given back."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        log_config=None,
        lifespan="off",
        http=HttpProtocol,
        timeout_graceful_shutdown=1,
        **{**SOCKET_SERVER_OPTIONS, **options},
    )
    server = uvicorn.Server(config)
    # Not `serve`: it would take over the test process's signals.
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    ticking = asyncio.create_task(server.main_loop())
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await ticking
        await server.shutdown(sockets=[listener])


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)
