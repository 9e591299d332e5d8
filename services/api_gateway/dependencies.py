"""What endpoints are given: the process's context and the founder who asks."""

from typing import Annotated

import structlog
from fastapi import Depends
from starlette.requests import HTTPConnection

from services.api_gateway.context import Context
from services.api_gateway.founders.reference import founder_ref
from services.api_gateway.wire.views import FounderView

__all__ = [
    "CurrentFounder",
    "GatewayContext",
    "context_of",
    "current_founder",
]


def context_of(connection: HTTPConnection) -> Context:
    """The context made when the process started."""
    context: Context = connection.app.state.context
    return context


async def _context(connection: HTTPConnection) -> Context:
    # FastAPI would run a plain function in a thread, at every request.
    return context_of(connection)


async def current_founder(connection: HTTPConnection) -> FounderView:
    """The founder whose token came along; raises `FounderUnknownError`."""
    founders = context_of(connection).founders
    founder = await founders.founder_of(connection.headers, connection.cookies)
    structlog.contextvars.bind_contextvars(founder_ref=founder_ref(founder.founder_id))
    return founder


GatewayContext = Annotated[Context, Depends(_context)]
CurrentFounder = Annotated[FounderView, Depends(current_founder)]
