"""`WS /v1/socket` and the services behind every live connection."""

from fastapi import APIRouter
from starlette.requests import HTTPConnection
from starlette.routing import WebSocketRoute

from services.api_gateway.dependencies import context_of, current_founder
from services.api_gateway.socket.handshake import SocketEndpoint
from services.api_gateway.socket.services import LiveServices

__all__ = ["live_services", "router"]


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
    )


async def _founder_id(connection: HTTPConnection) -> str:
    founder = await current_founder(connection)
    return founder.founder_id


# A plain ASGI route: frames go straight to the server.
router = APIRouter(
    routes=[WebSocketRoute("/v1/socket", SocketEndpoint(live_services), name="socket")]
)
