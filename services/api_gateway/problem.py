"""Failures as `application/problem+json`: the one place that knows the statuses."""

import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.types import Scope

from libs.errors import ErrorKind, VentureBotsError
from services.api_gateway.wire.base import ViewModel

__all__ = [
    "MEDIA_TYPE",
    "FieldError",
    "Problem",
    "handle_problems",
    "internal_problem",
    "problem_response",
    "request_id_of",
]

MEDIA_TYPE = "application/problem+json"

_MAX_FIELD_ERRORS = 20
_MAX_FIELD_PATH = 200
_STATUS_OF_KIND = {
    ErrorKind.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorKind.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    ErrorKind.FORBIDDEN: HTTPStatus.FORBIDDEN,
    ErrorKind.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorKind.CONFLICT: HTTPStatus.CONFLICT,
    ErrorKind.PRECONDITION: HTTPStatus.PRECONDITION_FAILED,
    ErrorKind.EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorKind.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorKind.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}
_STATUS_OF_CODE = {
    "cursor_compacted": HTTPStatus.GONE,
    "payload_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "unsupported_media_type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}
_CODE_OF_STATUS = {
    400: "invalid",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "payload_too_large",
}


class FieldError(ViewModel):
    """A field that was refused."""

    path: str = Field(description="Where it stands, e.g. `body.text`.")
    message: str


class Problem(ViewModel):
    """Why a request failed, and whether trying again helps."""

    type: str = Field(description="`urn:venturebots:problem:<code>`.")
    title: str
    status: int
    code: str = Field(description="Stable; what programs decide on.")
    detail: str = Field(description="What happened and what to do.")
    request_id: str = Field(description="Also the response's X-Request-Id.")
    retryable: bool
    retry_after_ms: int | None = None
    errors: list[FieldError] = []


def request_id_of(scope: Scope) -> str:
    """The id the request was given at the edge."""
    request_id: str = scope.get("state", {}).get("request_id", "")
    return request_id


def problem_response(scope: Scope, error: VentureBotsError) -> Response:
    """Tell a typed failure; nothing internal leaks."""
    is_internal = error.kind is ErrorKind.INTERNAL
    return _respond(
        scope,
        status=_STATUS_OF_CODE.get(error.code) or _STATUS_OF_KIND[error.kind],
        code=error.code,
        detail="something went wrong in here" if is_internal else error.detail,
        is_retryable=error.retryable,
        retry_after_ms=error.retry_after_ms,
    )


def internal_problem(scope: Scope) -> Response:
    """Tell that something unforeseen happened; the log knows what."""
    return problem_response(scope, VentureBotsError("unforeseen"))


def handle_problems(app: FastAPI) -> None:
    """Make the app tell every failure as a problem."""
    app.add_exception_handler(VentureBotsError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)


async def _on_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, VentureBotsError):
        raise error
    return problem_response(request.scope, error)


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    fields = _field_errors(error.errors())
    told = "; ".join(f"{field.path}: {field.message}" for field in fields)
    return _respond(
        request.scope,
        status=HTTPStatus.UNPROCESSABLE_ENTITY,
        code="invalid",
        detail=told,
        errors=fields,
    )


async def _on_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    response = _respond(
        request.scope,
        status=status,
        code=_CODE_OF_STATUS.get(status, status.phrase.lower().replace(" ", "_")),
        detail=_http_detail(request, status),
    )
    response.headers.update(error.headers or {})
    return response


def _http_detail(request: Request, status: HTTPStatus) -> str:
    match status:
        case HTTPStatus.NOT_FOUND:
            return "there is nothing at this path; see /docs"
        case HTTPStatus.METHOD_NOT_ALLOWED:
            return f"this path does not take {request.method}"
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return "a body has at most 128 kB"
        case HTTPStatus.BAD_REQUEST:
            return "the body could not be read"
        case _:
            return status.phrase


def _respond(
    scope: Scope,
    *,
    status: HTTPStatus,
    code: str,
    detail: str,
    is_retryable: bool = False,
    retry_after_ms: int | None = None,
    errors: Sequence[FieldError] = (),
) -> Response:
    problem = Problem(
        type=f"urn:venturebots:problem:{code}",
        title=code.replace("_", " ").capitalize(),
        status=status,
        code=code,
        detail=_printable(detail),
        request_id=request_id_of(scope),
        retryable=is_retryable,
        retry_after_ms=retry_after_ms,
        errors=list(errors),
    )
    headers = {}
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        headers["Retry-After"] = str(math.ceil((retry_after_ms or 1_000) / 1_000))
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(
        problem.model_dump_json(),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


def _field_errors(errors: Sequence[Any]) -> list[FieldError]:
    return [
        FieldError(
            path=_printable(".".join(str(part) for part in error["loc"]))[
                :_MAX_FIELD_PATH
            ],
            message=_printable(_message_of(error)),
        )
        for error in errors[:_MAX_FIELD_ERRORS]
    ]


def _message_of(error: dict[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such field"
    return str(error["msg"]).removeprefix("Value error, ")


def _printable(text: str) -> str:
    """A client's own field names may hold what is no text."""
    return text.encode("utf-8", "backslashreplace").decode()
