"""`/metrics`, `/healthz` (or `/livez`) and `/readyz` on a port that is never public.

It answers on the service's own event loop, so that a stuck loop shows as a
failing liveness probe.
"""

import asyncio
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import override

import structlog
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

__all__ = ["SideServer", "start_side_server"]

_logger = structlog.get_logger(__name__)
_REQUEST_TIMEOUT_SECONDS = 5
_REQUEST_LIMIT_BYTES = 16 * 1024
_TEXT = "text/plain; charset=utf-8"


class _LoopCollector(Collector):
    """Counts the tasks of the event loop it is asked on."""

    @override
    def collect(self) -> Iterator[GaugeMetricFamily]:
        tasks = len(asyncio.all_tasks())
        yield GaugeMetricFamily(
            "venturebots_asyncio_tasks", "Tasks of the event loop.", value=tasks
        )

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Claim no name, so that two loops of one process may share a registry."""
        return iter(())


class SideServer:
    """A listening side port; `is_ready` may be another one later.

    `is_alive` tells what an answering event loop alone does not.
    """

    def __init__(
        self,
        *,
        registry: CollectorRegistry,
        is_ready: Callable[[], bool],
        is_alive: Callable[[], bool] = lambda: True,
    ) -> None:
        self._registry = registry
        self.is_ready = is_ready
        self._is_alive = is_alive
        self._server: asyncio.Server | None = None
        self._loop_collector = _LoopCollector()

    async def start(self, *, host: str, port: int) -> None:
        """Listen; port 0 takes a free one. Raises OSError when it is taken."""
        self._server = await asyncio.start_server(
            self._answer, host, port, limit=_REQUEST_LIMIT_BYTES
        )
        self._registry.register(self._loop_collector)

    @property
    def port(self) -> int:
        """The port listened on."""
        if self._server is None:
            message = "the side server is not started"
            raise RuntimeError(message)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def aclose(self) -> None:
        """Stop listening; a second time does nothing."""
        server, self._server = self._server, None
        if server is not None:
            self._registry.unregister(self._loop_collector)
            server.close()
            await server.wait_closed()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            async with asyncio.timeout(_REQUEST_TIMEOUT_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._respond(head.decode("latin-1")))
                await writer.drain()
        except (TimeoutError, OSError, EOFError, asyncio.LimitOverrunError) as error:
            _logger.debug("side request dropped", reason=repr(error))
        finally:
            writer.close()

    def _respond(self, head: str) -> bytes:
        request, *lines = head.split("\r\n")
        method, _, rest = request.partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        if method not in {"GET", "HEAD"}:
            return _response(HTTPStatus.METHOD_NOT_ALLOWED, _TEXT, b"GET only\n")
        match path:
            case "/metrics":
                encode, content_type = choose_encoder(_header(lines, "accept"))
                return _response(HTTPStatus.OK, content_type, encode(self._registry))
            case "/healthz" | "/livez" if self._is_alive():
                return _response(HTTPStatus.OK, _TEXT, b"ok\n")
            case "/healthz" | "/livez":
                status = HTTPStatus.INTERNAL_SERVER_ERROR
                return _response(status, _TEXT, b"not alive\n")
            case "/readyz" if self.is_ready():
                return _response(HTTPStatus.OK, _TEXT, b"ready\n")
            case "/readyz":
                status = HTTPStatus.SERVICE_UNAVAILABLE
                return _response(status, _TEXT, b"not ready\n")
            case _:
                return _response(HTTPStatus.NOT_FOUND, _TEXT, b"not found\n")


async def start_side_server(
    *,
    host: str,
    port: int,
    is_ready: Callable[[], bool],
    is_alive: Callable[[], bool] = lambda: True,
    registry: CollectorRegistry = REGISTRY,
) -> SideServer:
    """Start the side port; close it with `aclose`."""
    server = SideServer(registry=registry, is_ready=is_ready, is_alive=is_alive)
    await server.start(host=host, port=port)
    return server


def _header(lines: list[str], name: str) -> str:
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip().lower() == name:
            return value.strip()
    return ""


def _response(status: HTTPStatus, content_type: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"Content-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode("latin-1") + body
