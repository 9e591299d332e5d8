"""uvicorn's HTTP protocol, made safe against peers that send or read for ever."""

import asyncio
import json
from http import HTTPStatus
from typing import Any, Final, override

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.api_gateway.socket.protocol import (
    LINE_EXTENSION,
    bound_unsent,
    cut,
)

__all__ = ["HttpProtocol"]

_SEND_BUFFER_BYTES: Final = 256 * 1024
"""More than a socket's: files and exports want a wide window."""
_HEAD_TOO_LARGE: Final = "the request line and the headers have at most 64 kB"


class HttpProtocol(HttpToolsProtocol):
    """Bounds what one connection can cost, in memory and in time.

    uvicorn's own takes headers of any size, waits for ever for their end and for
    a peer that reads nothing, and answers what is not HTTP with plain text.
    """

    max_head_bytes = 64 * 1024
    max_request_bytes = 2 * 1024 * 1024
    """Body, the framing of its chunks and trailers, read or thrown away."""
    head_seconds = 10.0
    """For the first request, and for the rest of one that began."""
    stall_seconds = 30.0
    """For a peer that reads nothing, or too little to make room."""

    _received_bytes = 0
    _is_in_head = True
    _has_served = False
    _is_lost = False
    _is_upgraded = False
    _head_timer: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None

    @override
    def connection_made(  # type: ignore[override] # as uvicorn narrows it
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        bound_unsent(transport, _SEND_BUFFER_BYTES)
        self._expect_head()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        self._forget_head_timer()
        self._forget_stall_timer()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._received_bytes += len(data)
        super().data_received(data)
        if self._is_upgraded:
            return
        if self._is_in_head and self._received_bytes > self.max_head_bytes:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, _HEAD_TOO_LARGE)
        elif self._received_bytes > self.max_request_bytes:
            self.abort()
        elif not self._is_answering:
            self._expect_head()

    @override
    def handle_websocket_upgrade(self) -> None:
        self._is_upgraded = True
        super().handle_websocket_upgrade()

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._has_served:
            # What came with it belongs to the request before.
            self._received_bytes = 0
        extensions = {LINE_EXTENSION: {"line": self}}
        self.scope["extensions"] = extensions  # type: ignore[typeddict-item] # ours

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers come after the head; nobody here reads them.
        if self._is_in_head:
            super().on_header(name, value)

    @override
    def on_headers_complete(self) -> None:
        fields = sum(len(name) + len(value) for name, value in self.headers)
        if len(self.url) + fields > self.max_head_bytes:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, _HEAD_TOO_LARGE)
            raise ValueError(_HEAD_TOO_LARGE)  # ends the parser's work
        self._is_in_head = False
        self._forget_head_timer()
        super().on_headers_complete()
        # None before the first request, and for one that becomes a socket.
        self._has_served = bool(self.cycle)

    @override
    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._is_in_head = True
        self._received_bytes = 0

    @override
    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            self._refuse(HTTPStatus.BAD_REQUEST, "this is not an HTTP request")

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall_timer = self.loop.call_later(self.stall_seconds, self.abort)

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        self._forget_stall_timer()

    def release(self) -> None:
        """Do nothing: an answer ends by its last byte, not by a close frame."""

    def abort(self) -> None:
        """Cut the connection without waiting for anything to be sent."""
        if not self._is_lost:
            cut(self.transport)

    @property
    def _is_answering(self) -> bool:
        return self._has_served and not self.cycle.response_complete

    def _forget_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _forget_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _expect_head(self) -> None:
        """Give the peer some seconds for the request that is to come."""
        if self._head_timer is None and not self.transport.is_closing():
            self._head_timer = self.loop.call_later(
                self.head_seconds, self._on_late_head
            )

    def _on_late_head(self) -> None:
        self._head_timer = None
        if self._received_bytes:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "the request came too slowly")
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer what becomes no request of the application, and close."""
        if self._is_answering:
            # Another answer is on its way; this one would be read as its part.
            self.abort()
            return
        self.transport.write(_refusal(status, detail))
        self.transport.close()


def _refusal(status: HTTPStatus, detail: str) -> bytes:
    code = status.phrase.lower().replace(" ", "_")
    problem: dict[str, Any] = {
        "type": f"urn:venturebots:problem:{code}",
        "title": status.phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": "",
        "retryable": False,
        "retry_after_ms": None,
        "errors": [],
    }
    body = json.dumps(problem).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "Content-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Cache-Control: no-store\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body
