"""uvicorn's WebSocket protocol, made safe against peers that stop reading."""

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Any, Protocol, override

from starlette.types import Scope
from uvicorn.protocols.websockets.websockets_sansio_impl import (
    WebSocketsSansIOProtocol,
)

__all__ = [
    "LINE_EXTENSION",
    "SOCKET_SERVER_OPTIONS",
    "Line",
    "SocketProtocol",
    "bound_unsent",
    "cut",
    "line_of",
]

LINE_EXTENSION = "venturebots.line"
"""The ASGI scope extension that has a `Line` under `line`."""

LINGER_SECONDS = 10.0
_UNACKNOWLEDGED_MS = 40_000
_NO_LINGER = struct.pack("ii", 1, 0)
SEND_BUFFER_BYTES = 64 * 1024
MAX_MESSAGE_BYTES = 512 * 1024


class Line(Protocol):
    """What ASGI cannot do to a connection."""

    def release(self) -> None:
        """Let the next frame into the write buffer although it is full."""

    def abort(self) -> None:
        """Cut the connection without waiting for anything to be sent."""


class _PlainLine:
    """A connection served by something else than this product's protocols."""

    def release(self) -> None:
        """Do nothing: the server decides when a close goes out."""

    def abort(self) -> None:
        """Do nothing: the server decides when a dead peer is dropped."""


def line_of(scope: Scope) -> Line:
    """What cuts the connection behind a scope, if its server lets it."""
    extension = scope.get("extensions", {}).get(LINE_EXTENSION, {})
    line: Line = extension.get("line", _PlainLine())
    return line


def bound_unsent(transport: asyncio.BaseTransport, size: int) -> None:
    """Bound what the kernel holds for a peer, and for how long.

    It would grow to megabytes that nobody reads, and wait a quarter of an hour
    for a host that is gone without a word.
    """
    connection = transport.get_extra_info("socket")
    if connection is None:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        connection.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS
        )


def cut(transport: asyncio.Transport) -> None:
    """Reset a connection: the kernel, too, lets go of what was not sent.

    Not to be called once the connection was lost: its number may be another's.
    """
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


class SocketProtocol(WebSocketsSansIOProtocol):
    """Bounds what a peer that does not read can keep in memory, and how long.

    uvicorn's own closes politely, which never ends while data is unsent.
    """

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        bound_unsent(transport, SEND_BUFFER_BYTES)

    @override
    async def run_asgi(self) -> None:
        self.scope["extensions"][LINE_EXTENSION] = {"line": self}
        await super().run_asgi()
        self.loop.call_later(LINGER_SECONDS, self.abort)

    @override
    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:
            # Pongs that nobody reads would pile up.
            self.conn.data_to_send()

    @override
    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.abort()

    def release(self) -> None:
        """Let the next frame into the write buffer although it is full."""
        self.writable.set()

    def abort(self) -> None:
        """Cut the connection without waiting for anything to be sent."""
        if not self.disconnected:
            cut(self.transport)


SOCKET_SERVER_OPTIONS: dict[str, Any] = {
    "ws": SocketProtocol,
    # Above the frame limit, so that the gateway says 4413 itself.
    "ws_max_size": MAX_MESSAGE_BYTES,
    # A dead peer is gone after 15 + 25 s at the latest.
    "ws_ping_interval": 15.0,
    "ws_ping_timeout": 25.0,
    # Costs more CPU and memory per socket than the small frames would save.
    "ws_per_message_deflate": False,
}
"""Keyword arguments of `uvicorn.Config` for whoever serves the socket."""
