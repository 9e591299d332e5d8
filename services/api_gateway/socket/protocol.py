"""uvicorn's WebSocket protocol, made safe against peers that stop reading."""

import asyncio
import socket
from typing import Any, Protocol, override

from uvicorn.protocols.websockets.websockets_sansio_impl import (
    WebSocketsSansIOProtocol,
)

__all__ = ["LINE_EXTENSION", "SOCKET_SERVER_OPTIONS", "Line", "SocketProtocol"]

LINE_EXTENSION = "venturebots.line"
"""The ASGI scope extension that has a `Line` under `line`."""

LINGER_SECONDS = 10.0
SEND_BUFFER_BYTES = 64 * 1024
MAX_MESSAGE_BYTES = 512 * 1024


class Line(Protocol):
    """What ASGI cannot do to a connection."""

    def release(self) -> None:
        """Let the next frame into the write buffer although it is full."""

    def abort(self) -> None:
        """Cut the connection without waiting for anything to be sent."""


class SocketProtocol(WebSocketsSansIOProtocol):
    """Bounds what a peer that does not read can keep in memory, and how long.

    uvicorn's own closes politely, which never ends while data is unsent.
    """

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            # The kernel would grow it to megabytes that nobody reads.
            connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES
            )

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
        self.transport.abort()


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
