"""What every HTTP request passes: an id, a log line, safe headers, a guard."""

import asyncio
import logging
import re
import time
from http import HTTPMethod, HTTPStatus
from typing import Final
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.errors import VentureBotsError
from libs.telemetry import (
    NO_SPAN,
    Span,
    SpanKind,
    current_traceparent,
    trace_id_of,
)
from services.api_gateway.errors import (
    OriginRefusedError,
    PayloadTooLargeError,
    UnsupportedMediaTypeError,
)
from services.api_gateway.peers import PeerPolicy
from services.api_gateway.problem import internal_problem, problem_response
from services.api_gateway.telemetry import GatewayTelemetry

__all__ = ["MAX_BODY_BYTES", "EdgeMiddleware", "GuardMiddleware"]

MAX_BODY_BYTES: Final = 128 * 1024
BODY_SECONDS: Final = 20.0
"""For a whole body, which is 6 kB a second at the least."""

_logger = structlog.get_logger(__name__)

_METHODS: Final = frozenset(HTTPMethod)
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

    def __init__(self, app: ASGIApp, *, telemetry: GatewayTelemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; sockets pass untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _request_id(headers)
        scope.setdefault("state", {})["request_id"] = request_id
        exchange = _Exchange(send, request_id)
        started = time.perf_counter()
        span = _begin_span(self._telemetry, scope, headers)
        with structlog.contextvars.bound_contextvars(
            request_id=request_id, **_trace(span)
        ):
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
                seconds = time.perf_counter() - started
                _note(self._telemetry, scope, exchange.status, seconds)
                _end_span(span, scope, exchange.status)


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
    """Count and time the body while it is read, for nothing else does."""
    received = 0
    late_at = asyncio.get_running_loop().time() + BODY_SECONDS
    is_whole = False

    async def receive_bounded() -> Message:
        nonlocal received, is_whole
        if is_whole:
            return await receive()
        try:
            async with asyncio.timeout_at(late_at):
                message = await receive()
        except TimeoutError:
            raise HTTPException(
                HTTPStatus.REQUEST_TIMEOUT, headers={"Connection": "close"}
            ) from None
        is_whole = not message.get("more_body", False)
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


def _begin_span(telemetry: GatewayTelemetry, scope: Scope, headers: Headers) -> Span:
    """Trace a request of the API; pages and probes are not worth it."""
    if not telemetry.tracer.is_on or not scope["path"].startswith("/v1/"):
        return NO_SPAN
    told = headers.get("traceparent", "")
    is_trusted = telemetry.is_caller_trusted
    span = telemetry.tracer.start(
        _method(scope),
        kind=SpanKind.SERVER,
        parent=told if is_trusted else "",
        link="" if is_trusted else told,
    )
    current_traceparent.set(span.traceparent)
    return span


def _end_span(span: Span, scope: Scope, status: int | None) -> None:
    if not span.traceparent:
        return
    route = _route(scope)
    span.rename(f"{_method(scope)} {route}")
    span.put(
        {
            "http.request.method": _method(scope),
            "http.route": route,
            "http.response.status_code": status or 0,
        }
    )
    if status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        span.fail(str(status or "broken_off"))
    span.end()


def _trace(span: Span) -> dict[str, str]:
    return {"trace_id": trace_id_of(span.traceparent)} if span.traceparent else {}


def _method(scope: Scope) -> str:
    """The method, when it is one: anybody may send any word."""
    method: str = scope["method"]
    return method if method in _METHODS else "_OTHER"


def _route(scope: Scope) -> str:
    """The template of what was asked for, never the path itself."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else "page"


def _note(
    telemetry: GatewayTelemetry, scope: Scope, status: int | None, seconds: float
) -> None:
    telemetry.metrics.request_seconds.labels(
        _method(scope), _route(scope), f"{(status or 0) // 100}xx"
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
