"""`WS /v1/socket` and the services behind every live connection."""

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from services.api_gateway.dependencies import context_of, current_founder
from services.api_gateway.socket.handshake import SocketEndpoint
from services.api_gateway.socket.services import LiveServices

__all__ = ["SocketMiddleware", "live_services"]


def live_services(connection: HTTPConnection) -> LiveServices:
    """What the process's context has for a socket or a live stream."""
    context = context_of(connection)
    return LiveServices(
        store=context.store,
        fanout=context.fanout,
        commands=context.commands,
        registry=context.sockets,
        authenticate=_founder_id,
        peers=context.peers,
        slots=context.slots,
        telemetry=context.telemetry,
    )


async def _founder_id(connection: HTTPConnection) -> str:
    founder = await current_founder(connection)
    return founder.founder_id


class SocketMiddleware:
    """Serves `WS /v1/socket` before anything else of the application does.

    A socket lives for hours and carries every word: each layer around it would
    hold memory all that time and be passed by every frame.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._socket = SocketEndpoint(live_services)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the socket, or pass the request on."""
        if scope["type"] == "websocket" and scope["path"] == "/v1/socket":
            await self._socket(scope, receive, send)
        else:
            await self._app(scope, receive, send)
