"""The side port answers plain HTTP."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry, Counter

from libs.telemetry import SideServer, start_side_server


class Readiness:
    """A switch."""

    def __init__(self) -> None:
        self.is_ready = False

    def __call__(self) -> bool:
        """Tell the switch."""
        return self.is_ready


@pytest.fixture
def readiness() -> Readiness:
    """Start unready."""
    return Readiness()


@pytest.fixture
async def server(readiness: Readiness) -> AsyncIterator[SideServer]:
    """Serve a registry with one counter."""
    registry = CollectorRegistry()
    Counter("sample", "A sample", registry=registry).inc(3)
    side = await start_side_server(
        host="127.0.0.1", port=0, is_ready=readiness, registry=registry
    )
    yield side
    await side.aclose()


async def ask(server: SideServer, request: str) -> tuple[str, str]:
    """Send a request, give status line and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(f"{request}\r\nHost: x\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    head, _, body = answer.partition("\r\n\r\n")
    return head.partition("\r\n")[0], body


async def test_metrics_are_served(server: SideServer) -> None:
    """The counter's value is in the body."""
    status, body = await ask(server, "GET /metrics HTTP/1.1")
    assert status == "HTTP/1.1 200 OK"
    assert "sample_total 3.0" in body


async def test_readiness_follows_the_service(
    server: SideServer, readiness: Readiness
) -> None:
    """Alive does not mean ready."""
    assert (await ask(server, "GET /healthz HTTP/1.1"))[0].endswith("200 OK")
    assert "503" in (await ask(server, "GET /readyz HTTP/1.1"))[0]
    readiness.is_ready = True
    assert "200" in (await ask(server, "GET /readyz HTTP/1.1"))[0]


@pytest.mark.parametrize(
    ("request_line", "status"),
    [("GET /x HTTP/1.1", "404"), ("POST /metrics HTTP/1.1", "405"), ("\x00", "405")],
)
async def test_anything_else_is_refused(
    server: SideServer, request_line: str, status: str
) -> None:
    """Unknown paths, other methods and garbage."""
    assert status in (await ask(server, request_line))[0]


async def test_a_service_that_says_so_is_not_alive() -> None:
    """An answering loop is not all: the service has a word in it."""
    is_alive = Readiness()
    side = await start_side_server(
        host="127.0.0.1",
        port=0,
        is_ready=Readiness(),
        is_alive=is_alive,
        registry=CollectorRegistry(),
    )
    dead = [await ask(side, f"GET {path} HTTP/1.1") for path in ("/livez", "/healthz")]
    is_alive.is_ready = True
    alive = [await ask(side, f"GET {path} HTTP/1.1") for path in ("/livez", "/healthz")]
    await side.aclose()

    assert dead == [("HTTP/1.1 500 Internal Server Error", "not alive\n")] * 2
    assert alive == [("HTTP/1.1 200 OK", "ok\n")] * 2
