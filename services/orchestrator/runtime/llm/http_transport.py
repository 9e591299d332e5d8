"""HTTP/1.1 for httpx, cheap enough to read a model's tokens one by one.

httpx's own transport spends about 100 µs on each chunk of a stream, five times
what the rest of a token costs. This one parses with llhttp inside the event loop's
callback. Pool, timeouts and redirects are as small as one provider needs.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from typing import cast, override

import httptools
import httpx

from services.orchestrator.pace import PACE
from services.orchestrator.runtime.llm.addresses import (
    AddressPolicy,
    Resolve,
    resolve,
)

__all__ = ["StreamingTransport"]

_PAUSE_AT_BYTES = 262_144
_PAUSE = 2.0
"""Of the pace: after a pause this long what arrives is read at once. Tokens of a
fast model are joined anyway, and being woken costs more than parsing a token."""
_EAGER_READS = 4
"""Reads of an answer that wait for nothing: the first token is among them."""
_MAX_OVERHEAD_BYTES = 65_536
_OVERHEAD_TO_BODY = 16
"""Of headers, chunk sizes and trailers, to what they carry."""
_IDLE_SECONDS = 15.0
_INFORMATIONAL = range(100, 200)
_DEFAULT_PORTS = {"http": 80, "https": 443}

_Origin = tuple[str, str, int]


class _Connection(asyncio.Protocol):
    """One connection that carries one exchange at a time."""

    def __init__(self, origin: _Origin) -> None:
        self.origin = origin
        self.is_open = True
        self.idle_since = 0.0
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._has_headers = False
        self._is_complete = False
        self._keeps_alive = False
        self._is_followed = False
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._overhead_left = _MAX_OVERHEAD_BYTES
        self._is_paused = False
        self._error: httpx.TransportError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._read_at = float("-inf")
        self._reads = 0
        self._is_due = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_reusable(self) -> bool:
        """Whether the exchange ended cleanly and the server keeps the connection."""
        return (
            self.is_open
            and self._is_complete
            and self._keeps_alive
            and not self._is_followed
            and not self._is_paused
        )

    async def exchange(self, request: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Send a request; returns status and headers, the body follows by `read`."""
        self._begin()
        if self._transport is None or not self.is_open:
            raise httpx.ConnectError("the connection is closed")
        self._transport.write(request)
        while not self._has_headers:
            await self._wait()
        return self._parser.get_status_code(), self._headers

    async def read(self) -> bytes:
        """What arrived since the last call; empty at the end."""
        while not self._chunks:
            if self._is_complete:
                return b""
            await self._wait()
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._buffered = 0
        self._reads += 1
        self._rest_until_next_moment()
        return data

    def _rest_until_next_moment(self) -> None:
        """Leave what a fast model says with the system, while many runs speak.

        One read takes many tokens then; for few runs the end of a reply is worth more.
        """
        self._is_due = False
        self._cancel_timer()
        if self._is_complete or not self.is_open:
            return
        now = self._loop.time()
        is_fast = now - self._read_at < _PAUSE * PACE.seconds
        if self._reads >= _EAGER_READS:
            self._read_at = now
        if is_fast and PACE.is_of_many:
            self._pause()
            self._timer = self._loop.call_at(PACE.next_moment(now), self._go_on)
        else:
            self._resume()

    def _go_on(self) -> None:
        """Read what came meanwhile, and give it at once."""
        self._timer = None
        self._is_due = True
        self._resume()

    def _pause(self) -> None:
        if self.is_open and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self.is_open and self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        self.is_open = False
        self._cancel_timer()
        if self._transport is not None:
            self._transport.abort()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        self._cancel_timer()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _wake_soon(self) -> None:
        """Wake the reader, at once after a pause or when nothing more can come."""
        is_last = self._is_complete or self._error is not None
        if is_last or self._is_paused or self._is_due:
            self._wake()
        elif self._timer is None:
            now = self._loop.time()
            if now - self._read_at < _PAUSE * PACE.seconds:
                self._timer = self._loop.call_at(PACE.next_moment(now), self._wake)
            else:
                self._wake()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; uvloop's is no subclass of asyncio's."""
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        """Parse; the callbacks below gather what was found."""
        if self._is_complete:
            self.abort()  # nobody asked for more
            return
        self._overhead_left -= len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(type(error).__name__)
        if self._overhead_left < 0:
            self._fail("more headers than answer")
        self._wake_soon()

    def _fail(self, reason: str) -> None:
        self._error = httpx.RemoteProtocolError(reason)
        self.abort()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """End the body, cleanly when only the close could end it."""
        self.is_open = False
        names = {name.lower() for name, _ in self._headers}
        is_until_close = not names & {b"content-length", b"transfer-encoding"}
        if self._has_headers and exc is None and is_until_close:
            self._is_complete = True
        elif not self._is_complete and self._error is None:
            self._error = httpx.RemoteProtocolError("the server closed the connection")
        self._wake()

    def on_message_begin(self) -> None:
        """Note an answer that follows the whole one: nobody asked for it."""
        self._is_followed = self._is_complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """Gather a header."""
        if not self._has_headers:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Let the exchange return, unless this was only an interim answer."""
        if self._is_complete:
            return
        if self._parser.get_status_code() in _INFORMATIONAL:
            self._headers.clear()
        else:
            self._has_headers = True

    def on_body(self, body: bytes) -> None:
        """Gather a piece of the body; stop reading when nobody takes them."""
        if self._is_complete:
            return
        self._chunks.append(body)
        self._buffered += len(body)
        self._overhead_left += len(body) * _OVERHEAD_TO_BODY
        if self._buffered > _PAUSE_AT_BYTES:
            self._pause()

    def on_message_complete(self) -> None:
        """Note the end of the answer."""
        if self._has_headers and not self._is_complete:
            self._is_complete = True
            self._keeps_alive = self._parser.should_keep_alive()


class _Body(httpx.AsyncByteStream):
    """A response's body; closing it gives the connection back, or ends it."""

    def __init__(self, connection: _Connection, owner: "StreamingTransport") -> None:
        self._connection = connection
        self._owner = owner

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self._connection.read():
            yield data

    @override
    async def aclose(self) -> None:
        """Close the request upstream unless it has ended."""
        self._owner.release(self._connection)


class StreamingTransport(httpx.AsyncBaseTransport):
    """Connections to one provider, kept for a few seconds between requests."""

    def __init__(
        self,
        *,
        connect_timeout_seconds: float,
        addresses: AddressPolicy,
        resolve: Resolve = resolve,
        idle_seconds: float = _IDLE_SECONDS,
    ) -> None:
        self._idle_seconds = idle_seconds
        self._sweeper: asyncio.TimerHandle | None = None
        self._connect_timeout_seconds = connect_timeout_seconds
        self._addresses = addresses
        self._resolve = resolve
        self._idle: deque[_Connection] = deque()
        self._active: set[_Connection] = set()
        self._tls: ssl.SSLContext | None = None

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the response's body streams.

        Raises:
            httpx.TransportError: No connection, or one that broke.
            LLMAddressRefusedError: The host is none that may be connected to.

        """
        body = await request.aread()
        connection = await self._connection_to(request.url)
        self._active.add(connection)
        try:
            status, headers = await connection.exchange(_head(request) + body)
        except BaseException:
            self._active.discard(connection)
            connection.abort()
            raise
        return httpx.Response(status, headers=headers, stream=_Body(connection, self))

    def release(self, connection: _Connection) -> None:
        """Keep a connection for the next request when its exchange has ended."""
        self._active.discard(connection)
        if connection.is_reusable:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
            if self._sweeper is None:
                self._sweep_in(self._idle_seconds)
        else:
            connection.abort()

    def _sweep_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._sweeper = loop.call_later(seconds, self._close_stale)

    def _close_stale(self) -> None:
        """Close what nobody needed: the newest is used first, the others age."""
        self._sweeper = None
        oldest_kept = asyncio.get_running_loop().time() - self._idle_seconds
        while self._idle and self._idle[0].idle_since <= oldest_kept:
            self._idle.popleft().abort()
        if self._idle:
            self._sweep_in(self._idle[0].idle_since - oldest_kept)

    @override
    async def aclose(self) -> None:
        """Close all connections."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for connection in (*self._idle, *self._active):
            connection.abort()
        self._idle.clear()
        self._active.clear()

    async def _connection_to(self, url: httpx.URL) -> _Connection:
        port = url.port or _DEFAULT_PORTS[url.scheme]
        origin = (url.scheme, url.host, port)
        while self._idle:
            kept = self._idle.pop()
            if kept.is_open and kept.origin == origin:
                return kept
            kept.abort()
        try:
            async with asyncio.timeout(self._connect_timeout_seconds):
                return await self._connect(origin)
        except TimeoutError as error:
            raise httpx.ConnectTimeout("no connection in time") from error
        except OSError as error:
            raise httpx.ConnectError(type(error).__name__) from error

    async def _connect(self, origin: _Origin) -> _Connection:
        """Connect to the first address that answers, among those allowed."""
        scheme, host, port = origin
        is_encrypted = scheme == "https"
        allowed = await self._addresses.addresses(host, port, self._resolve)
        for address in allowed:
            try:
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: _Connection(origin),
                    address,
                    port,
                    ssl=await self._tls_context() if is_encrypted else None,
                    server_hostname=host if is_encrypted else None,
                )
            except OSError:
                if address == allowed[-1]:
                    raise
            else:
                return connection
        raise AssertionError("the last address connects or raises")

    async def _tls_context(self) -> ssl.SSLContext:
        """One for all connections: making it takes 60 ms, so not on the loop."""
        if self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        return self._tls


def _head(request: httpx.Request) -> bytes:
    lines = [b"%b %b HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%b: %b" % (name, value) for name, value in request.headers.raw]
    return b"\r\n".join((*lines, b"", b""))
