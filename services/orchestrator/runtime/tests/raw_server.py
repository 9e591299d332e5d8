"""A server that answers every request with bytes a test wrote, at a test's pace."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Self

from libs.crewspec.compiled import ModelDocument, ModelProviderKind

__all__ = ["RawServer", "answer", "chunked", "event"]

type Script = Callable[[], AsyncIterator[bytes]]
"""What is sent after a request; the connection is closed at the end."""


def event(content: str) -> bytes:
    """A piece of text as a server-sent event."""
    return b'data: {"choices": [{"delta": {"content": "%b"}}]}\n\n' % content.encode()


def chunked(data: bytes) -> bytes:
    """Data as one chunk of HTTP's chunked coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def answer(*headers: str, status: str = "200 OK") -> bytes:
    """The head of an answer."""
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()


class RawServer:
    """Listens on 127.0.0.1; counts connections and tells when a client left."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.requests = 0
        self.was_asked = asyncio.Event()
        self.was_left = asyncio.Event()

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
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def document(self, **changes: object) -> ModelDocument:
        """A document of a model behind this server, without patience."""
        if self._server is None:
            raise RuntimeError("the server has not started")
        port = self._server.sockets[0].getsockname()[1]
        values: dict[str, object] = {
            "name": "raw",
            "generation": 1,
            "provider": ModelProviderKind.OPENAI_COMPATIBLE,
            "model": "raw-1",
            "endpoint": f"http://127.0.0.1:{port}/v1",
            "connect_timeout_seconds": 1,
            "first_token_timeout_seconds": 1,
            "idle_timeout_seconds": 1,
            "total_timeout_seconds": 5,
            "max_retries": 0,
        }
        return ModelDocument(**{**values, **changes})  # type: ignore[arg-type] # a test's

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            self.requests += 1
            self.was_asked.set()
            leaving = asyncio.create_task(self._notice_leave(reader))
            try:
                async for data in self._script():
                    writer.write(data)
                    await writer.drain()
            except ConnectionError:
                self.was_left.set()
            finally:
                leaving.cancel()
        writer.transport.abort() if self.was_left.is_set() else writer.close()

    async def _notice_leave(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(65_536):
                pass
        self.was_left.set()
