"""A peer of the gateway that reads and sends exactly what it is told to."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final, Self

__all__ = ["RawPeer", "close_code", "text_frame"]

_TEXT: Final = 0x1
_CLOSE: Final = 0x8
_MASKED: Final = 0x80
_NO_MASK: Final = bytes(4)
_SMALL_BUFFER_BYTES: Final = 4_096


def text_frame(payload: bytes, *, opcode: int = _TEXT) -> bytes:
    """A client's frame; masked by zeros, which changes nothing."""
    head = bytes([0x80 | opcode])
    if len(payload) < 126:
        head += bytes([_MASKED | len(payload)])
    elif len(payload) < 2**16:
        head += struct.pack("!BH", _MASKED | 126, len(payload))
    else:
        head += struct.pack("!BQ", _MASKED | 127, len(payload))
    return head + _NO_MASK + payload


def close_code(received: bytes) -> int | None:
    """The code of the first close frame among frames of a server."""
    for opcode, payload in _frames(received):
        if opcode == _CLOSE:
            return int.from_bytes(payload[:2])
    return None


def _frames(received: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 2 <= len(received):
        opcode, length = received[at] & 0x0F, received[at + 1]
        at += 2
        if length == 126:
            length = int.from_bytes(received[at : at + 2])
            at += 2
        elif length == 127:
            length = int.from_bytes(received[at : at + 8])
            at += 8
        if at + length <= len(received):
            yield opcode, received[at : at + length]
        at += length


class RawPeer:
    """A plain connection with a small receive buffer."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()

    @classmethod
    @asynccontextmanager
    async def connect(cls, port: int) -> AsyncIterator[Self]:
        """Open a connection and drop it at the end."""
        with socket.socket() as connection:
            connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER_BYTES
            )
            connection.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(connection, ("127.0.0.1", port))
            yield cls(connection)

    async def send(self, data: bytes) -> None:
        """Send bytes as they are; raises OSError when the gateway is gone."""
        await self._loop.sock_sendall(self._connection, data)

    async def read(self, size: int) -> bytes:
        """Read up to so many bytes; nothing at the end."""
        return await self._loop.sock_recv(self._connection, size)

    async def rest(self) -> tuple[bytes, bool]:
        """What comes until a close frame or the end; whether that was a reset."""
        received = b""
        async with asyncio.timeout(30):
            try:
                while close_code(received) is None:
                    piece = await self.read(1 << 20)
                    if not piece:
                        break
                    received += piece
            except ConnectionError:
                return received, True
        return received, False

    async def upgrade(self, token: str) -> None:
        """Shake hands for a socket of a founder."""
        await self.send(
            b"GET /v1/socket HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Sec-WebSocket-Protocol: vb.v1\r\n"
            b"Authorization: Bearer " + token.encode() + b"\r\n\r\n"
        )
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            piece = await self.read(1)
            if not piece:
                raise ConnectionAbortedError(answer.decode())
            answer += piece

    async def say(self, frame: dict[str, Any]) -> None:
        """Send a frame."""
        await self.send(text_frame(json.dumps(frame).encode()))

    async def hello(self, *streams: str) -> None:
        """Follow streams from their first event on."""
        cursors = [{"stream": stream, "after_seq": 0} for stream in streams]
        await self.say({"type": "hello", "streams": cursors})

    def is_reset(self) -> bool:
        """Whether the gateway cut the connection, without reading from it."""
        error = self._connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return error != 0
