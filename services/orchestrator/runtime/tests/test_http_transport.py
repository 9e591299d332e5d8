"""HTTP's answers come out the same however the network cut them."""

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import override

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.orchestrator.pace import MANY_RUNS, PACE
from services.orchestrator.runtime.llm.addresses import AddressPolicy
from services.orchestrator.runtime.llm.http_transport import (
    StreamingTransport,
    _Connection,
)

_CROWD = 3
_PLACES = st.lists(st.integers(0, 4_000), max_size=25)
_CHUNKS = st.lists(st.binary(min_size=1, max_size=40), max_size=8)


class _Wire(asyncio.Transport):
    """Takes what is written and notes that it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.is_closed = False

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Drop it."""

    @override
    def abort(self) -> None:
        """Note it."""
        self.is_closed = True

    @override
    def pause_reading(self) -> None:
        """Ignore it: the test has sent all there is."""

    @override
    def resume_reading(self) -> None:
        """Ignore it as well."""


async def _receive(parts: Sequence[bytes], *, closes: bool) -> tuple[int, bytes] | str:
    """Status and body of an answer that comes in parts, or what went wrong."""
    connection = _Connection(("http", "models.example", 80))
    connection.connection_made(_Wire())
    exchanging = asyncio.create_task(connection.exchange(b"GET / HTTP/1.1\r\n\r\n"))
    await asyncio.sleep(0)
    for part in parts:
        connection.data_received(part)
    if closes:
        connection.connection_lost(None)
    try:
        status, _ = await exchanging
        body = b""
        while data := await connection.read():
            body += data
    except httpx.TransportError as error:
        return type(error).__name__
    return status, body


async def _is_kept_after(*parts: bytes) -> bool:
    connection = _Connection(("http", "models.example", 80))
    connection.connection_made(_Wire())
    exchanging = asyncio.create_task(connection.exchange(b"GET / HTTP/1.1\r\n\r\n"))
    await asyncio.sleep(0)
    for part in parts:
        connection.data_received(part)
    await exchanging
    return connection.is_reusable


async def test_what_follows_an_answer_is_no_answer_to_the_next_request() -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    assert await _is_kept_after(whole)
    for more in (whole, b"HTTP/1.1 2", b"H"):
        assert not await _is_kept_after(whole + more)
        assert not await _is_kept_after(whole, more)


class _Paused(_Wire):
    """Knows whether it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.is_read = asyncio.Event()
        self.is_read.set()
        self.rests = 0

    @override
    def pause_reading(self) -> None:
        """Note it."""
        self.rests += 1
        self.is_read.clear()

    @override
    def resume_reading(self) -> None:
        """Note it."""
        self.is_read.set()


async def _begun_answer(wire: _Paused) -> _Connection:
    """An answer whose body is to follow."""
    connection = _Connection(("http", "models.example", 80))
    connection.connection_made(wire)
    exchanging = asyncio.create_task(connection.exchange(b"GET / HTTP/1.1\r\n\r\n"))
    await asyncio.sleep(0)
    connection.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    await exchanging
    return connection


async def _fast_answer(wire: _Paused) -> _Connection:
    """An answer whose first tokens came, and were read, without a pause."""
    connection = await _begun_answer(wire)
    while wire.is_read.is_set():
        connection.data_received(b"5\r\ntoken\r\n")
        assert set(await connection.read()) <= set(b"token")
    return connection


@pytest.fixture
def many_runs() -> Iterator[None]:
    """As many runs as make the pace slower."""
    with ExitStack() as runs:
        for _ in range(MANY_RUNS + 1):
            runs.enter_context(PACE.kept())
        yield


@pytest.mark.usefixtures("many_runs")
async def test_a_fast_model_of_many_runs_is_read_when_text_is_passed_on() -> None:
    wire = _Paused()
    async with asyncio.timeout(10):
        connection = await _fast_answer(wire)
        for rests in range(2, 5):
            reading = asyncio.create_task(connection.read())
            await wire.is_read.wait()
            connection.data_received(b"5\r\nwords\r\n5\r\nwords\r\n")
            await asyncio.sleep(0)
            assert reading.done(), "what was waited for is given at once"
            assert reading.result() == b"wordswords"
            assert wire.rests == rests
            assert not wire.is_read.is_set()
        await wire.is_read.wait()
        connection.data_received(b"3\r\nend\r\n0\r\n\r\n")
        assert [await connection.read(), await connection.read()] == [b"end", b""]
    assert connection.is_reusable


async def test_few_runs_read_what_their_models_say_as_it_comes() -> None:
    wire = _Paused()
    connection = await _begun_answer(wire)
    for _ in range(50):
        connection.data_received(b"5\r\ntoken\r\n")
        assert await connection.read() == b"token"
    assert wire.rests == 0


@pytest.mark.usefixtures("many_runs")
async def test_a_connection_that_ends_while_it_rests_is_read_no_more() -> None:
    wire = _Paused()
    async with asyncio.timeout(10):
        connection = await _fast_answer(wire)
    connection.abort()
    assert wire.is_closed
    connection.connection_lost(None)
    with pytest.raises(httpx.RemoteProtocolError):
        await connection.read()
    assert not wire.is_read.is_set()


async def test_connections_that_nobody_needs_are_closed() -> None:
    opened = 0
    all_left = asyncio.Event()
    left = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened, left
        opened += 1
        with suppress(EOFError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                await together.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()
        left += 1
        if left == _CROWD:
            all_left.set()

    together = asyncio.Barrier(_CROWD)
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        transport = StreamingTransport(
            connect_timeout_seconds=5,
            addresses=AddressPolicy(allows_loopback=True),
            idle_seconds=0.2,
        )
        async with httpx.AsyncClient(transport=transport) as http:
            for _ in range(2):
                url = f"http://127.0.0.1:{port}/"
                await asyncio.gather(*(http.get(url) for _ in range(_CROWD)))
            assert opened == _CROWD, "the second round reuses what the first opened"
            async with asyncio.timeout(10):
                await all_left.wait()


def _parts(whole: bytes, places: Sequence[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(whole) + 1) for place in places), len(whole)]
    return [whole[start:end] for start, end in itertools.pairwise(bounds)]


@given(body=_CHUNKS, places=_PLACES, interim=st.integers(0, 3))
def test_chunks_are_joined_from_any_parts(
    body: list[bytes], places: list[int], interim: int
) -> None:
    whole = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * interim
    whole += b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for chunk in body:
        whole += b"%x;name=value\r\n%b\r\n" % (len(chunk), chunk)
    whole += b"0\r\nX-Trailer: 1\r\n\r\n"
    received = asyncio.run(_receive(_parts(whole, places), closes=False))
    assert received == (200, b"".join(body))


@given(body=st.binary(max_size=200), places=_PLACES, cut=st.integers(1, 50))
def test_a_body_that_is_cut_short_is_no_body(
    body: bytes, places: list[int], cut: int
) -> None:
    length = len(body) + cut
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (length, body)
    received = asyncio.run(_receive(_parts(whole, places), closes=True))
    assert received == "RemoteProtocolError"


@given(body=st.binary(max_size=200), places=_PLACES)
def test_a_body_without_a_length_ends_with_the_connection(
    body: bytes, places: list[int]
) -> None:
    whole = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body
    received = asyncio.run(_receive(_parts(whole, places), closes=True))
    assert received == (200, body)


@given(data=st.binary(max_size=400), places=_PLACES)
def test_any_bytes_are_an_answer_or_a_typed_failure(
    data: bytes, places: list[int]
) -> None:
    received = asyncio.run(_receive(_parts(data, places), closes=True))
    assert isinstance(received, tuple) or received == "RemoteProtocolError"
