"""Who may open a socket, and who is turned away."""

import structlog
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from libs.errors import VentureBotsError
from services.api_gateway.errors import FounderUnknownError, TooManySocketsError
from services.api_gateway.socket.connection import Connection
from services.api_gateway.socket.protocol import line_of
from services.api_gateway.socket.services import LiveServices, Provide
from services.api_gateway.wire.frames import SUBPROTOCOL, CloseCode

__all__ = ["SocketEndpoint"]

_logger = structlog.get_logger(__name__)


class SocketEndpoint:
    """The ASGI application behind `WS /v1/socket`.

    Refusals are closes of an accepted socket, because a page cannot read the
    status of a refused handshake; only a client that does not speak the
    subprotocol is refused before.
    """

    def __init__(self, provide: Provide) -> None:
        self._provide = provide

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one handshake and the socket that comes of it."""
        websocket = WebSocket(scope, receive, send)
        if SUBPROTOCOL not in scope["subprotocols"]:
            await _deny(websocket)
            return
        await receive()
        services = self._provide(websocket)
        if services.registry.is_draining:
            await _turn_away(services, send, CloseCode.DRAINING, "draining")
        elif not _origin_may(websocket, services):
            await _turn_away(services, send, CloseCode.ORIGIN, "origin not allowed")
        else:
            await _admit(websocket, services, receive, send)


def _origin_may(websocket: WebSocket, services: LiveServices) -> bool:
    """Programs send no Origin; browsers always do."""
    return "origin" not in websocket.headers or services.peers.origin_is_allowed(
        websocket
    )


async def _admit(
    websocket: WebSocket, services: LiveServices, receive: Receive, send: Send
) -> None:
    try:
        founder_id = await services.authenticate(websocket)
    except FounderUnknownError:
        await _turn_away(services, send, CloseCode.NO_FOUNDER, "no founder")
        return
    except VentureBotsError as error:
        _logger.warning("founder not looked up", code=error.code)
        await _turn_away(
            services, send, CloseCode.UNAVAILABLE, "unavailable; try again"
        )
        return
    address = services.peers.address(websocket)
    try:
        services.slots.acquire(founder_id, address)
    except TooManySocketsError:
        await _turn_away(services, send, CloseCode.TOO_MANY_SOCKETS, "too many sockets")
        return
    try:
        await _accept(send)
        connection = Connection(
            founder_id=founder_id,
            receive=receive,
            send=send,
            line=line_of(websocket.scope),
            services=services,
        )
        await _serve(connection, services)
    except OSError:
        _logger.debug("socket gone before it was accepted")
    finally:
        services.slots.release(founder_id, address)


async def _serve(connection: Connection, services: LiveServices) -> None:
    services.registry.add(connection)
    if services.registry.is_draining:
        # Draining began while the founder was looked up.
        connection.drain()
    try:
        await connection.run()
    finally:
        services.registry.discard(connection, connection.close_code)


async def _deny(websocket: WebSocket) -> None:
    await websocket.send_denial_response(
        JSONResponse(
            {
                "code": "subprotocol_missing",
                "detail": f"offer the subprotocol {SUBPROTOCOL}",
                "retryable": False,
            },
            status_code=400,
            media_type="application/problem+json",
        )
    )


async def _accept(send: Send) -> None:
    await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})


async def _turn_away(
    services: LiveServices, send: Send, code: CloseCode, reason: str
) -> None:
    services.registry.refused(code)
    try:
        await _accept(send)
        await send({"type": "websocket.close", "code": code, "reason": reason})
    except OSError:
        _logger.debug("socket gone before it was turned away", code=code.value)
