"""A gateway of sockets for each test."""

from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from services.api_gateway.socket.handshake import SocketEndpoint
from services.api_gateway.socket.tests.gateway import Parts, serve


@pytest.fixture
async def gateway() -> AsyncIterator[Parts]:
    """A gateway that listens."""
    parts = Parts.create()
    endpoint = SocketEndpoint(lambda _connection: parts.services)
    app = Starlette(routes=[WebSocketRoute("/v1/socket", endpoint)])
    async with serve(app) as parts.port:
        yield parts
