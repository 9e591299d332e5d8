"""A provider that stalls, drips, floods or breaks off is told as what it is."""

import asyncio
import gzip
import resource
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.orchestrator.errors import (
    LLMBadOutputError,
    LLMError,
    LLMTimeoutError,
    LLMUnavailableError,
)
from services.orchestrator.runtime.llm.base import Completion
from services.orchestrator.runtime.llm.openai_compatible import OpenAICompatibleLLM
from services.orchestrator.runtime.tests.raw_server import (
    RawServer,
    Script,
    answer,
    chunked,
    event,
)

_MESSAGES = [{"role": "user", "content": "Hello"}]
_STREAM = answer("Content-Type: text/event-stream", "Transfer-Encoding: chunked")
_DONE = b"data: [DONE]\n\n"
_LAST = chunked(b"")
_HALF = b'data: {"choi'
_CANCEL_SECONDS = 0.2
_DRIP_SECONDS = 0.1


def _sends(*parts: bytes, stays: bool = False) -> Script:
    async def script() -> AsyncIterator[bytes]:
        for part in parts:
            yield part
        if stays:
            await asyncio.Event().wait()

    return script


def _drips(head: bytes, data: bytes) -> Script:
    async def script() -> AsyncIterator[bytes]:
        yield head
        for position in range(len(data)):
            yield data[position : position + 1]
            await asyncio.sleep(_DRIP_SECONDS)

    return script


def _floods(head: bytes, data: bytes) -> Script:
    async def script() -> AsyncIterator[bytes]:
        yield head
        while True:
            yield data
            await asyncio.sleep(0)

    return script


async def _ask(server: RawServer, **changes: Any) -> tuple[object, str]:
    """One call: the completion or the error's type, and what was shown."""
    pieces: list[str] = []
    llm = OpenAICompatibleLLM(server.document(**changes))
    try:
        return await llm.complete(_MESSAGES, [], pieces.append), "".join(pieces)
    except LLMError as error:
        return type(error), "".join(pieces)
    finally:
        await llm.aclose()


_STALLS = {
    "accepts and says nothing": (_sends(stays=True), ""),
    "headers only": (_sends(_STREAM, stays=True), ""),
    "a byte of the status at a time": (_drips(b"", _STREAM), ""),
    "a byte of the first token at a time": (_drips(_STREAM, chunked(event("Hi"))), ""),
    "text, then bytes of the next": (
        _drips(_STREAM + chunked(event("Hi")), chunked(event("there"))),
        "Hi",
    ),
    "text, then comments": (
        _floods(_STREAM + chunked(event("Hi")), chunked(b": ping\n\n" * 100)),
        "Hi",
    ),
    "comments for ever": (_floods(_STREAM, chunked(b": ping\n\n" * 100)), ""),
    "empty pieces for ever": (_floods(_STREAM, chunked(event("") * 50)), ""),
    "usage for ever": (
        _floods(_STREAM, chunked(b'data: {"choices": [], "usage": {}}\n\n' * 50)),
        "",
    ),
}


@pytest.mark.parametrize("name", _STALLS)
async def test_a_provider_that_stalls_is_timed_out(name: str) -> None:
    script, told = _STALLS[name]
    async with RawServer(script) as server:
        outcome, shown = await _ask(server)
        async with asyncio.timeout(_CANCEL_SECONDS):
            await server.was_left.wait()
    assert (outcome, shown) == (LLMTimeoutError, told)


_BROKEN = {
    "interim answers for ever": (
        _floods(b"", answer(status="103 Early Hints") * 50), LLMUnavailableError
    ),
    "headers for ever": (
        _floods(b"HTTP/1.1 200 OK\r\n", b"X-Noise: 1\r\n" * 500), LLMUnavailableError
    ),
    "one header for ever": (
        _floods(b"HTTP/1.1 200 OK\r\nX-Noise: ", b"x" * 8_192), LLMUnavailableError
    ),
    "a chunk's extension for ever": (
        _floods(_STREAM + b"5;", b"x" * 8_192), LLMUnavailableError
    ),
    "a line for ever": (
        _floods(_STREAM, chunked(b"data: " + b"x" * 65_536)[:-2] + b"\r\n"),
        LLMBadOutputError,
    ),
    "switching protocols": (
        _sends(answer("Upgrade: h2c", "Connection: Upgrade", status="101 No"), b"?"),
        LLMUnavailableError,
    ),
    "no content": (
        _sends(answer("Content-Length: 0", status="204 No Content")),
        LLMUnavailableError,
    ),
    "not HTTP": (_sends(b"SSH-2.0-OpenSSH_9.9\r\n"), LLMUnavailableError),
    "a negative length": (
        _sends(answer("Content-Length: -5"), event("Hi")), LLMUnavailableError
    ),
    "two lengths": (
        _sends(answer("Content-Length: 5", "Content-Length: 6"), b"hello"),
        LLMUnavailableError,
    ),
    "a bad chunk size": (_sends(_STREAM, b"zz\r\n"), LLMUnavailableError),
    "a page": (
        _sends(answer("Content-Type: text/html", "Content-Length: 6"), b"<html>"),
        LLMBadOutputError,
    ),
    "packed": (
        _sends(
            answer("Content-Encoding: gzip", "Transfer-Encoding: chunked"),
            chunked(gzip.compress(b"\0" * 10_000_000)), _LAST,
        ),
        LLMBadOutputError,
    ),
    "JSON for ever": (
        _floods(
            answer("Content-Type: application/json", "Transfer-Encoding: chunked"),
            chunked(b" " * 65_536),
        ),
        LLMBadOutputError,
    ),
    "redirected to another host": (
        _sends(answer("Location: http://127.0.0.2:1/", "Content-Length: 0",
                      status="308 Permanent Redirect")),
        LLMUnavailableError,
    ),
    "nothing at all": (_sends(), LLMUnavailableError),
    "an empty stream": (_sends(_STREAM, _LAST), LLMUnavailableError),
}  # fmt: skip


@pytest.mark.parametrize("name", _BROKEN)
async def test_what_is_no_answer_is_told_as_such(name: str) -> None:
    script, kind = _BROKEN[name]
    async with RawServer(script) as server:
        outcome, shown = await _ask(server, first_token_timeout_seconds=10)
    assert (outcome, shown) == (kind, "")
    assert server.requests == 1


@pytest.mark.parametrize(
    "ending",
    [
        b"",
        _LAST,
        chunked(b'data: {"choi'),
        chunked(b'data: {"choi') + _LAST,
        b"5\r\nda",
    ],
)
async def test_text_that_was_cut_is_never_told_as_whole(ending: bytes) -> None:
    script = _sends(_STREAM, chunked(event("Hello")), ending)
    async with RawServer(script) as server:
        outcome, shown = await _ask(server, max_retries=2)
    assert shown == "Hello"
    assert outcome in {LLMUnavailableError, LLMBadOutputError}
    assert server.requests == 1, "what was shown is not asked for again"


async def test_what_follows_the_last_word_does_not_matter() -> None:
    stop = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n'
    script = _sends(_STREAM, chunked(event("Hello") + stop))
    async with RawServer(script) as server:
        outcome, shown = await _ask(server)
    assert isinstance(outcome, Completion)
    assert outcome.text == shown == "Hello"


async def test_a_second_answer_nobody_asked_for_is_dropped() -> None:
    body = event("One") + _DONE
    whole = answer(f"Content-Length: {len(body)}") + body
    async with RawServer(_sends(whole + whole.replace(b"One", b"Two"))) as server:
        llm = OpenAICompatibleLLM(server.document())
        texts = [
            (await llm.complete(_MESSAGES, [], lambda _: None)).text for _ in range(2)
        ]
        await llm.aclose()
    assert texts == ["One", "One"]
    assert server.connections == 2


async def test_an_endless_answer_ends_and_takes_no_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    script = _floods(_STREAM, chunked(event("word " * 10_000)))
    async with RawServer(script) as server:
        outcome, _ = await _ask(server)
    assert outcome is LLMBadOutputError
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 64 * 1024


@pytest.mark.parametrize(
    "script",
    [
        _sends(stays=True),
        _sends(_STREAM, stays=True),
        _sends(_STREAM, chunked(event("Hi")), stays=True),
        _floods(_STREAM, chunked(event("Hi"))),
    ],
    ids=["head", "headers", "streaming", "flood"],
)
async def test_a_cancel_closes_the_request_in_every_phase(script: Script) -> None:
    async with RawServer(script) as server:
        llm = OpenAICompatibleLLM(server.document())
        asking = asyncio.create_task(llm.complete(_MESSAGES, [], lambda _: None))
        await server.was_asked.wait()
        await asyncio.sleep(0)
        asking.cancel()
        async with asyncio.timeout(_CANCEL_SECONDS):
            await asyncio.wait((asking,))
            await server.was_left.wait()
        await llm.aclose()
    assert asking.cancelled()


async def test_a_cancel_does_not_wait_for_a_connection() -> None:
    """The listener takes no more: connecting neither fails nor succeeds."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            fillers.append(filler)
        async with RawServer(_sends()) as server:
            endpoint = f"http://127.0.0.1:{address[1]}/v1"
            llm = OpenAICompatibleLLM(
                server.document(endpoint=endpoint, connect_timeout_seconds=30)
            )
        asking = asyncio.create_task(llm.complete(_MESSAGES, [], lambda _: None))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not asking.done()
        asking.cancel()
        async with asyncio.timeout(_CANCEL_SECONDS):
            await asyncio.wait((asking,))
        await llm.aclose()
        for filler in fillers:
            filler.close()


async def test_a_connection_nobody_takes_is_timed_out() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        async with RawServer(_sends()) as server:
            endpoint = f"http://127.0.0.1:{address[1]}/v1"
            outcome, _ = await _ask(
                server, endpoint=endpoint, first_token_timeout_seconds=10
            )
        for filler in fillers:
            filler.close()
    assert outcome is LLMUnavailableError
