"""An OpenAI-compatible server on loopback that says what a test wrote down."""

import asyncio
import contextlib
import json
from collections import deque
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

from libs.crewspec.compiled import ModelDocument, ModelProviderKind

__all__ = ["Reply", "ScriptedModel", "call_of"]


@dataclass(frozen=True)
class Reply:
    """One answer: what is sent, and how it ends."""

    pieces: tuple[str, ...] = ()
    tool_calls: tuple[dict[str, Any], ...] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_cut: bool = False
    """The connection breaks after the pieces."""
    stalls: bool = False
    """Nothing follows the pieces until the client goes away."""
    is_silent: bool = False
    """Not even the status line is sent."""


def call_of(tool: str, /, *, index: int = 0, **arguments: Any) -> dict[str, Any]:
    """A tool call as a model streams it."""
    return {
        "index": index,
        "id": f"call_{index}",
        "type": "function",
        "function": {"name": tool, "arguments": json.dumps(arguments)},
    }


class ScriptedModel:
    """Answers one request after the other from a list; the last one repeats."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = deque(replies)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.open_requests = 0
        self.connections = 0
        self.was_left = asyncio.Event()
        """The client closed a request that had not ended."""
        self.has_sent = asyncio.Event()
        """The pieces of a stalling reply are on their way."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
            for writer in self._writers:
                writer.transport.abort()
            await self._server.wait_closed()

    def document(self, **changes: Any) -> ModelDocument:
        """A model document that leads here."""
        if self._server is None:
            raise RuntimeError("the server has not started")
        port = self._server.sockets[0].getsockname()[1]
        document = ModelDocument(
            name="scripted",
            generation=1,
            provider=ModelProviderKind.OPENAI_COMPATIBLE,
            model="scripted-1",
            endpoint=f"http://127.0.0.1:{port}/v1",
            connect_timeout_seconds=2,
            first_token_timeout_seconds=5,
            idle_timeout_seconds=5,
            total_timeout_seconds=20,
        )
        return replace(document, **changes)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        self._writers.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._exchange(reader, writer):
                pass
        self._writers.discard(writer)
        writer.close()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        headers = dict(
            line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line
        )
        body = await reader.readexactly(int(headers["content-length"]))
        self.headers.append(headers)
        self.requests.append(json.loads(body))
        reply = self._replies[0]
        if len(self._replies) > 1:
            self._replies.popleft()
        self.open_requests += 1
        try:
            return await self._answer(reply, reader, writer)
        finally:
            self.open_requests -= 1

    async def _answer(
        self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if reply.is_silent:
            return await self._wait_for_leave(reader)
        if reply.status != 200 or reply.body:
            writer.write(_plain(reply))
            await writer.drain()
            return True
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        for piece in reply.pieces:
            writer.write(_event({"content": piece}))
            await writer.drain()
        for call in reply.tool_calls:
            writer.write(_event({"tool_calls": [call]}))
        await writer.drain()
        if reply.stalls:
            self.has_sent.set()
            return await self._wait_for_leave(reader)
        if reply.is_cut:
            writer.transport.abort()
            return False
        reason = "tool_calls" if reply.tool_calls else "stop"
        usage = {"prompt_tokens": 7, "completion_tokens": len(reply.pieces)}
        writer.write(_event({}, finish_reason=reason))
        writer.write(_chunk(json.dumps({"choices": [], "usage": usage}).encode()))
        writer.write(_chunk(b"[DONE]") + b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _wait_for_leave(self, reader: asyncio.StreamReader) -> bool:
        with contextlib.suppress(ConnectionError):
            await reader.read(1)
        self.was_left.set()
        return False


def _event(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return _chunk(json.dumps({"id": "1", "choices": [choice]}).encode())


def _chunk(data: bytes) -> bytes:
    line = b"data: " + data + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(line), line)


def _plain(reply: Reply) -> bytes:
    headers = {"content-length": str(len(reply.body)), **reply.headers}
    lines = [f"HTTP/1.1 {reply.status} Status"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join((*lines, "", "")).encode() + reply.body
