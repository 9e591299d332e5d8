"""`/v1/founder`: become a founder, be one again."""

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Body, Request, Response, status

from services.api_gateway.context import Context
from services.api_gateway.dependencies import (
    CurrentFounder,
    GatewayContext,
    current_founder,
)
from services.api_gateway.errors import FounderUnknownError
from services.api_gateway.wire.base import WireModel
from services.api_gateway.wire.views import FounderView

__all__ = ["CreateFounderBody", "Delivery", "FounderCreated", "router"]

router = APIRouter(prefix="/v1/founder", tags=["founder"])

_COOKIE_SECONDS = 400 * 24 * 3600
"""As long as browsers keep a cookie; it starts anew at every visit."""


class Delivery(StrEnum):
    """How the token reaches the client."""

    COOKIE = "cookie"
    BODY = "body"


class CreateFounderBody(WireModel):
    """Become a founder: browsers take a cookie, programs the token itself."""

    deliver: Delivery = Delivery.COOKIE


class FounderCreated(FounderView):
    """The founder; `token` only when a new one was asked for in the body."""

    token: str | None = None


@router.post("", responses={status.HTTP_201_CREATED: {"model": FounderCreated}})
async def create_founder(
    request: Request,
    response: Response,
    context: GatewayContext,
    body: Annotated[CreateFounderBody | None, Body()] = None,
) -> FounderCreated:
    """Give the founder who asks, or a new one (201) to whoever has none yet."""
    deliver = (body or CreateFounderBody()).deliver
    try:
        founder = await current_founder(request)
    except FounderUnknownError:
        if "authorization" in request.headers:
            raise
    else:
        if deliver is Delivery.COOKIE:
            _renew_cookie(request, response, context)
        return FounderCreated(**founder.model_dump())
    created = await context.founders.create(address=context.peers.address(request))
    response.status_code = status.HTTP_201_CREATED
    view = created.founder.model_dump()
    if deliver is Delivery.BODY:
        return FounderCreated(**view, token=created.token)
    _set_cookie(request, response, context, created.token)
    return FounderCreated(**view)


@router.get("")
async def get_founder(
    request: Request,
    response: Response,
    context: GatewayContext,
    founder: CurrentFounder,
) -> FounderView:
    """The founder who asks; a cookie's 400 days begin anew."""
    _renew_cookie(request, response, context)
    return founder


def _renew_cookie(request: Request, response: Response, context: Context) -> None:
    token = request.cookies.get(context.founders.cookie_name)
    if token is not None and "authorization" not in request.headers:
        _set_cookie(request, response, context, token)


def _set_cookie(
    request: Request, response: Response, context: Context, token: str
) -> None:
    response.set_cookie(
        context.founders.cookie_name,
        token,
        max_age=_COOKIE_SECONDS,
        httponly=True,
        samesite="lax",
        secure=context.peers.is_secure(request),
    )
