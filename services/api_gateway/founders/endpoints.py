"""`/v1/founder`: become a founder, be one again, be one on another device."""

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Body, Request, Response, status
from pydantic import Field

from services.api_gateway.context import Context
from services.api_gateway.dependencies import (
    CurrentFounder,
    GatewayContext,
    current_founder,
)
from services.api_gateway.errors import FounderUnknownError
from services.api_gateway.wire.base import RequestId, WireModel
from services.api_gateway.wire.views import FounderLink, FounderView

__all__ = [
    "CreateFounderBody",
    "CreateLinkBody",
    "Delivery",
    "FounderCreated",
    "RedeemLinkBody",
    "router",
]

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


class CreateLinkBody(WireModel):
    """Open this founder on another device."""

    request_id: RequestId


class RedeemLinkBody(WireModel):
    """What stood behind the `#` of a link."""

    request_id: RequestId
    token: Annotated[str, Field(min_length=1, max_length=256)]


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


@router.post("/links", status_code=status.HTTP_201_CREATED)
async def create_link(
    request: Request,
    context: GatewayContext,
    founder: CurrentFounder,
    body: CreateLinkBody,
) -> FounderLink:
    """A link that opens this founder on another device: for 10 minutes, once."""
    token = context.founders.token_of(request.headers, request.cookies)
    return await context.founders.create_link(
        founder.founder_id,
        token or "",
        body.request_id,
        origin=context.peers.own_origin(request),
    )


@router.post("/links/redeem")
async def redeem_link(
    request: Request,
    response: Response,
    context: GatewayContext,
    body: RedeemLinkBody,
) -> FounderView:
    """Become the link's founder: a cookie of this device's own, by one link once.

    A cookie of another founder is replaced; what is that founder's stays stored.
    """
    opened = await context.founders.redeem_link(
        body.token, body.request_id, address=context.peers.address(request)
    )
    _set_cookie(request, response, context, opened.token)
    return opened.founder


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
