"""Peers that read slowly, not at all, or are no longer there."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import websockets
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from websockets.client import ClientProtocol
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from services.api_gateway.socket.handshake import SocketEndpoint
from services.api_gateway.socket.settings import OutboxSettings
from services.api_gateway.socket.tests.gateway import Parts, eventually, serve
from services.api_gateway.socket.tests.memory import BEARER
from services.api_gateway.wire.frames import CloseCode

LONG = "x" * 2_000


class RawPeer:
    """A WebSocket peer that reads exactly what it is told to."""

    def __init__(self, connection: socket.socket, protocol: ClientProtocol) -> None:
        self.connection = connection
        self.protocol = protocol
        self.frames: list[WireFrame] = []

    @classmethod
    @asynccontextmanager
    async def open(
        cls, gateway: Parts, stream: str, after_seq: int
    ) -> AsyncIterator["RawPeer"]:
        """Shake hands and say hello, with a small receive buffer."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, ("127.0.0.1", gateway.port))
        protocol = ClientProtocol(
            parse_uri(f"ws://127.0.0.1:{gateway.port}/v1/socket"),
            subprotocols=[Subprotocol("vb.v1")],
        )
        peer = cls(connection, protocol)
        request = protocol.connect()
        request.headers["Authorization"] = BEARER
        protocol.send_request(request)
        await peer.flush()
        while protocol.state is not websockets.protocol.State.OPEN:
            await peer.read(4_096)
        hello = {
            "type": "hello",
            "streams": [{"stream": stream, "after_seq": after_seq}],
        }
        protocol.send_text(json.dumps(hello).encode())
        await peer.flush()
        with connection:
            yield peer

    async def flush(self) -> None:
        """Write what the protocol has to say."""
        loop = asyncio.get_running_loop()
        for data in self.protocol.data_to_send():
            await loop.sock_sendall(self.connection, data)

    async def read(self, size: int) -> bool:
        """Read up to so many bytes; whether there was something."""
        data = await asyncio.get_running_loop().sock_recv(self.connection, size)
        if not data:
            return False
        self.protocol.receive_data(data)
        self.frames += [
            event
            for event in self.protocol.events_received()
            if isinstance(event, WireFrame)
        ]
        return True

    async def close_code(self) -> int | None:
        """Read until the gateway closes; its code, if it gave one."""
        try:
            while await self.read(65_536):
                if self.frames and self.frames[-1].opcode is Opcode.CLOSE:
                    return int.from_bytes(self.frames[-1].data[:2])
        except ConnectionError:
            pass
        return None


async def test_a_slow_reader_is_told_to_resync_and_slows_nobody(
    gateway: Parts,
) -> None:
    stream = gateway.log.create()
    async with (
        RawPeer.open(gateway, stream, 0) as peer,
        gateway.client({"stream": stream, "after_seq": 0}) as healthy,
    ):
        await healthy.until("live")
        await eventually(lambda: len(gateway.fanout.listeners(stream)) == 2)

        async def trickle() -> None:
            while await peer.read(1):
                await asyncio.sleep(0.1)

        trickling = asyncio.create_task(trickle())
        for _ in range(600):
            gateway.log.append(stream, LONG)
            await asyncio.sleep(0)
        seqs = await healthy.events_through(600)
        assert seqs == list(range(1, 601))
        # Dropped at once: nothing waits for the slow one to notice.
        assert len(gateway.fanout.listeners(stream)) == 1
        trickling.cancel()
        assert await peer.close_code() == CloseCode.RESYNC
    await eventually(lambda: gateway.registry.count == 0)


async def test_replaying_waits_for_the_reader_a_page_at_a_time(
    gateway: Parts,
) -> None:
    stream = gateway.log.create()
    gateway.log.append(stream, LONG, count=1_000)
    async with RawPeer.open(gateway, stream, 0) as peer:
        await eventually(lambda: gateway.log.page_reads > 0)
        await _settle(gateway)
        assert gateway.log.page_reads < 5
        # What happens meanwhile is not kept for it either.
        gateway.log.append(stream, LONG, count=1_000)
        while _last_type(peer) != "live":
            await peer.read(65_536)
        seqs = [json.loads(bytes(one.data)).get("seq") for one in peer.frames[1:-1]]
        assert seqs == list(range(1, 2_001))
    await eventually(lambda: gateway.registry.count == 0)


async def test_what_waits_comes_before_the_state_that_replaces_it(
    gateway: Parts,
) -> None:
    stream = gateway.log.create()
    async with RawPeer.open(gateway, stream, 0) as peer:
        await eventually(lambda: len(gateway.fanout.listeners(stream)) == 1)
        while _last_type(peer) != "live":
            await peer.read(65_536)
        # More than fits on the way, so that some of it waits in the gateway.
        gateway.log.append(stream, LONG, count=200)
        again = {"type": "subscribe", "streams": [{"stream": stream}]}
        peer.protocol.send_text(json.dumps(again).encode())
        await peer.flush()
        while gateway.log.snapshots == 0 or _last_type(peer) != "live":
            await peer.read(65_536)
        seqs = [json.loads(bytes(one.data)).get("seq") for one in peer.frames[2:]]
        assert seqs == [*range(1, 201), 200, 200]
    await eventually(lambda: gateway.registry.count == 0)


async def test_a_reader_that_stops_altogether_is_cut_off(gateway: Parts) -> None:
    gateway.configure(outbox=OutboxSettings(heartbeat_seconds=0.1, stall_seconds=0.3))
    stream = gateway.log.create()
    gateway.log.append(stream, LONG, count=1_000)
    async with RawPeer.open(gateway, stream, 0):
        await eventually(lambda: gateway.registry.count == 1)
        await eventually(lambda: gateway.registry.count == 0)
    assert gateway.slots.taken == 0
    assert gateway.fanout.listeners(stream) == ()


@asynccontextmanager
async def _impatient() -> AsyncIterator[Parts]:
    parts = Parts.create()
    endpoint = SocketEndpoint(lambda _connection: parts.services)
    app = Starlette(routes=[WebSocketRoute("/v1/socket", endpoint)])
    async with serve(app, ws_ping_interval=0.1, ws_ping_timeout=0.2) as parts.port:
        yield parts


@pytest.mark.parametrize("events", [0, 1_000], ids=["idle", "mid-stream"])
async def test_a_peer_that_answers_no_ping_is_dropped(events: int) -> None:
    async with _impatient() as gateway:
        stream = gateway.log.create()
        gateway.log.append(stream, LONG, count=events)
        async with RawPeer.open(gateway, stream, 0):
            await eventually(lambda: gateway.registry.count == 1)
            await eventually(lambda: gateway.registry.count == 0)


async def test_a_peer_whose_library_answers_pings_lives_without_a_word() -> None:
    async with (
        _impatient() as gateway,
        gateway.client() as client,
    ):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await client.receive()
        await client.send({"type": "ping"})
        assert (await client.receive())["type"] == "pong"


async def test_pings_nobody_reads_the_answers_of_do_not_pile_up(
    gateway: Parts,
) -> None:
    stream = gateway.log.create()
    async with RawPeer.open(gateway, stream, 0) as peer, asyncio.timeout(20):
        closed = False
        while not closed:
            for _ in range(200):
                peer.protocol.send_text(b'{"type":"ping"}')
            try:
                await peer.flush()
            except ConnectionError:
                closed = True
            closed = closed or gateway.registry.count == 0
    assert gateway.registry.count == 0


def _last_type(peer: RawPeer) -> str:
    return str(json.loads(bytes(peer.frames[-1].data))["type"]) if peer.frames else ""


async def _settle(gateway: Parts) -> None:
    """Wait until the gateway reads no further pages."""
    before = -1
    while before != gateway.log.page_reads:
        before = gateway.log.page_reads
        await asyncio.sleep(0.2)
