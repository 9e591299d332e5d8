"""What every HTTP request passes: an id, a log line, safe headers, a guard."""

import logging
import re
import time
from http import HTTPStatus
from typing import Final
from uuid import uuid4

import structlog
from prometheus_client import Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.errors import VentureBotsError
from services.api_gateway.errors import (
    OriginRefusedError,
    PayloadTooLargeError,
    UnsupportedMediaTypeError,
)
from services.api_gateway.peers import PeerPolicy
from services.api_gateway.problem import internal_problem, problem_response

__all__ = ["MAX_BODY_BYTES", "EdgeMiddleware", "GuardMiddleware"]

MAX_BODY_BYTES: Final = 128 * 1024

_logger = structlog.get_logger(__name__)

_DURATION: Final = Histogram(
    "venturebots_gateway_request_seconds",
    "HTTP requests by operation and class of status.",
    ["operation", "status"],
)
_TOO_LARGE: Final = "a body has at most 128 kB"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SAFE_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    # With "no-referrer" browsers send `Origin: null` where Origin is our proof.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
# A UUID as clients print it; anything else could be made to forge log lines.
_REQUEST_ID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class EdgeMiddleware:
    """Outermost: names the request, logs it and answers what nobody foresaw."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; sockets pass untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope))
        scope.setdefault("state", {})["request_id"] = request_id
        exchange = _Exchange(send, request_id)
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, exchange.send)
            except Exception:
                _logger.exception(
                    "request failed", method=scope["method"], path=scope["path"]
                )
                if exchange.status is not None:
                    raise  # half an answer can only be broken off
                await internal_problem(scope)(scope, receive, exchange.send)
            finally:
                _note(scope, exchange.status, time.perf_counter() - started)


class _Exchange:
    """Adds the headers every answer has; remembers the status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        """Pass a message of the application on to the server."""
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self._request_id
            for name, value in _SAFE_HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)


class GuardMiddleware:
    """Refuses unsafe requests that a foreign page could have caused.

    A body is JSON, which no form can send, and at most 128 kB. An Origin, when
    there is one, has to be allowed; a cookie without an Origin proves nothing.
    """

    def __init__(self, app: ASGIApp, *, peers: PeerPolicy, cookie_name: str) -> None:
        self._app = app
        self._peers = peers
        self._cookie_name = cookie_name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request or pass it on."""
        if scope["type"] == "http" and scope["method"] not in _SAFE_METHODS:
            error = self._refusal(HTTPConnection(scope), scope["method"])
            if error is not None:
                await problem_response(scope, error)(scope, receive, send)
                return
            receive = _bounded(receive)
        await self._app(scope, receive, send)

    def _refusal(self, request: HTTPConnection, method: str) -> VentureBotsError | None:
        headers = request.headers
        if _told_length(headers) > MAX_BODY_BYTES:
            return PayloadTooLargeError(_TOO_LARGE)
        if "origin" in headers:
            if not self._peers.origin_is_allowed(request):
                return OriginRefusedError(
                    f"pages of {headers['origin'][:200]!r} may not change things here; "
                    "VB_GATEWAY_ALLOWED_ORIGINS lists those that may"
                )
        elif "authorization" not in headers and self._cookie_name in request.cookies:
            return OriginRefusedError(
                "a cookie needs an Origin; other clients send Authorization: Bearer"
            )
        content_type = headers.get("content-type", "").partition(";")[0].strip()
        if content_type.lower() != "application/json" and _needs_type(headers, method):
            return UnsupportedMediaTypeError(
                "the body has to be sent as Content-Type: application/json"
            )
        return None


def _told_length(headers: Headers) -> int:
    length = headers.get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() else 0


def _bounded(receive: Receive) -> Receive:
    """Count the body while it is read, for nothing else tells a chunked one."""
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MAX_BODY_BYTES:
            # What FastAPI lets through from within a body's reading.
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return message

    return receive_bounded


def _needs_type(headers: Headers, method: str) -> bool:
    has_body = (
        headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    )
    return has_body or method != "DELETE"


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else str(uuid4())


def _note(scope: Scope, status: int | None, seconds: float) -> None:
    route = scope.get("route")
    _DURATION.labels(
        operation=getattr(route, "name", None) or "page",
        status=f"{(status or 0) // 100}xx",
    ).observe(seconds)
    is_quiet = (
        scope["method"] in _SAFE_METHODS
        and status is not None
        and status < HTTPStatus.INTERNAL_SERVER_ERROR
    )
    _logger.log(
        logging.DEBUG if is_quiet else logging.INFO,
        "request",
        method=scope["method"],
        path=scope["path"],
        status=status,
        duration_ms=round(seconds * 1_000, 1),
    )
