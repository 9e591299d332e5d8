"""Peers that send too much, too slowly or no HTTP, and peers that read nothing."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, override

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from services.api_gateway.edge import GuardMiddleware
from services.api_gateway.http_protocol import HttpProtocol
from services.api_gateway.peers import PeerPolicy

_HEAD = b"POST / HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
_ENDLESS_BYTES = 50_000_000
_LONG = b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n"


class _ImpatientProtocol(HttpProtocol):
    head_seconds = 0.3
    stall_seconds = 0.3


async def _application(scope: Scope, receive: Receive, send: Send) -> None:
    """Tell the length of the body; or, at `/long`, send without an end."""
    if scope["path"] == "/long":

        async def pieces() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 65_536
                await asyncio.sleep(0)

        await StreamingResponse(pieces())(scope, receive, send)
        return
    body = await Request(scope, receive).body()
    await JSONResponse({"length": len(body)})(scope, receive, send)


@asynccontextmanager
async def _server(protocol: type[HttpProtocol]) -> AsyncIterator[int]:
    peers = PeerPolicy(external_url=None, allowed_origins=(), trusted_proxies=())
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(
            GuardMiddleware(_application, peers=peers, cookie_name="founder"),
            http=protocol,
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=1,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await serving


class _Peer:
    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    @asynccontextmanager
    async def connect(cls, port: int) -> AsyncIterator["_Peer"]:
        """Open a connection and drop it at the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield cls(reader, writer)
        finally:
            writer.transport.abort()

    async def say(self, *pieces: bytes) -> None:
        """Send bytes as they are, one piece after the other."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def rest(self) -> bytes:
        """Everything until the gateway closes; an abrupt end is an end."""
        received = b""
        async with asyncio.timeout(10):
            try:
                while piece := await self.reader.read(65_536):
                    received += piece
            except ConnectionError:
                pass
        return received

    async def answer(self) -> tuple[int, dict[str, Any]]:
        """Read one answer: status and JSON body."""
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            fields = head.lower().split(b"content-length:")[1]
            body = await self.reader.readexactly(int(fields.split(b"\r\n")[0]))
        return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize(
    ("begun", "more"),
    [
        (_HEAD + b"X-Long: ", b"x"),
        (_HEAD, b"X-Many: y\r\n"),
        (b"GET /", b"x"),
        (b"", b"\r\n"),
    ],
    ids=["header", "headers", "path", "blank lines"],
)
async def test_a_head_without_an_end_is_refused_before_it_is_kept(
    begun: bytes, more: bytes
) -> None:
    piece = more * (65_536 // len(more))
    async with _server(HttpProtocol) as port, _Peer.connect(port) as peer:
        sent = 0
        with suppress(ConnectionError):
            await peer.say(begun)
            while sent < _ENDLESS_BYTES:
                await peer.say(piece)
                sent += len(piece)
        assert sent < _ENDLESS_BYTES
        answer = await peer.rest()
        assert answer == b"" or answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))


async def test_a_whole_head_above_64_kb_is_refused_with_a_problem() -> None:
    async with _server(HttpProtocol) as port, _Peer.connect(port) as peer:
        await peer.say(_HEAD + b"X-Long: " + b"x" * 65_536 + b"\r\n\r\n")
        status, problem = await peer.answer()
        assert (status, problem["code"]) == (431, "request_header_fields_too_large")
        assert await peer.rest() == b""


async def test_a_head_of_60_kb_and_requests_on_one_connection_are_served() -> None:
    async with _server(_ImpatientProtocol) as port, _Peer.connect(port) as peer:
        for length in (0, 100_000, 3):
            body = b"x" * length
            head = _HEAD + b"X-Long: " + b"x" * 60_000
            await peer.say(head + b"\r\nContent-Length: %d\r\n\r\n" % length, body)
            assert await peer.answer() == (200, {"length": length})


@pytest.mark.parametrize(
    "begun", [b"", b"POST /", _HEAD, _HEAD + b"Content-Le"], ids=repr
)
async def test_a_head_that_trickles_in_is_given_up(begun: bytes) -> None:
    async with _server(_ImpatientProtocol) as port, _Peer.connect(port) as peer:
        await peer.say(begun)
        trickle = asyncio.create_task(_trickle(peer, b"x"))
        answer = await peer.rest()
        assert not begun or b" 408 " in answer.partition(b"\r\n")[0]
        trickle.cancel()


async def _trickle(peer: _Peer, byte: bytes) -> None:
    while byte and not peer.writer.is_closing():
        await peer.say(byte)
        await asyncio.sleep(0.05)


async def test_bytes_behind_an_answer_do_not_keep_the_connection() -> None:
    async with _server(_ImpatientProtocol) as port, _Peer.connect(port) as peer:
        await peer.say(_HEAD + b"Content-Length: 0\r\n\r\n")
        assert (await peer.answer())[0] == 200
        trickle = asyncio.create_task(_trickle(peer, b"P"))
        await peer.rest()
        trickle.cancel()


async def test_a_body_nobody_reads_is_thrown_away_only_so_far() -> None:
    async with _server(HttpProtocol) as port, _Peer.connect(port) as peer:
        await peer.say(_HEAD + b"Content-Length: 99999999\r\n\r\n")
        with pytest.raises(ConnectionError):
            await peer.say(*[b"x" * 65_536] * 1_000)


async def test_trailers_are_bounded_too() -> None:
    async with _server(HttpProtocol) as port, _Peer.connect(port) as peer:
        await peer.say(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n")
        with pytest.raises(ConnectionError):
            await peer.say(*[b"X-Trailer: %s\r\n" % (b"y" * 60_000)] * 1_000)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has it")
async def test_the_kernel_does_not_wait_for_a_host_that_is_gone() -> None:
    seen: list[int] = []

    class Noting(HttpProtocol):
        @override
        def connection_lost(self, exc: Exception | None) -> None:
            connection = self.transport.get_extra_info("socket")
            option = (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            seen.append(connection.getsockopt(*option))
            super().connection_lost(exc)

    async with _server(Noting) as port, _Peer.connect(port) as peer:
        await peer.say(b"\x00\r\n\r\n")
        await peer.rest()
    assert 0 < seen[0] <= 60_000


async def test_a_peer_that_reads_nothing_is_cut_off() -> None:
    async with _server(_ImpatientProtocol) as port:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        with connection:
            await loop.sock_connect(connection, ("127.0.0.1", port))
            await loop.sock_sendall(connection, _LONG)
            async with asyncio.timeout(10):
                while not _is_cut(connection):
                    await asyncio.sleep(0.05)


def _is_cut(connection: socket.socket) -> bool:
    """Whether the connection was aborted, without reading from it."""
    return connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"GET\x00/ HTTP/1.1\r\n\r\n",
        b"BREW / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
        _HEAD + b"Content-Length: -1\r\n\r\n",
        _HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        _HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nBad Name: x\r\n\r\n",
        "GET /\u00e9\u20ac HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    ],
    ids=repr,
)
async def test_what_is_not_http_is_answered_with_a_problem(
    request_bytes: bytes,
) -> None:
    async with _server(HttpProtocol) as port, _Peer.connect(port) as peer:
        await peer.say(request_bytes)
        status, problem = await peer.answer()
        assert (status, problem["code"]) == (400, "bad_request")
        assert await peer.rest() == b""


async def test_garbage_behind_a_request_never_mixes_with_its_answer() -> None:
    async with _server(HttpProtocol) as port, _Peer.connect(port) as peer:
        await peer.say(_LONG)
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.say(b"\x00\x00garbage\r\n\r\n")
        assert b"HTTP/1.1" not in await peer.rest()
