"""gRPC status to `VentureBotsError` and back, with ErrorInfo and RetryInfo."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import grpc
import grpc.aio
import structlog
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import (  # type: ignore[import-untyped] # no stubs
    ErrorInfo,
    RetryInfo,
)
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped] # no stubs
from grpc_status import rpc_status

from libs.errors import ErrorKind, VentureBotsError

__all__ = ["RemoteError", "abort_on_error", "from_rpc_error", "remote_errors"]

_logger = structlog.get_logger(__name__)
_DOMAIN: Final = "venturebots.dev"
_DETAILS_KEY: Final = "grpc-status-details-bin"

_CODES: Final = {
    ErrorKind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorKind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    ErrorKind.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    ErrorKind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorKind.CONFLICT: grpc.StatusCode.ABORTED,
    ErrorKind.PRECONDITION: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorKind.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorKind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    ErrorKind.INTERNAL: grpc.StatusCode.INTERNAL,
}
_KINDS: Final = {code: kind for kind, code in _CODES.items()} | {
    grpc.StatusCode.DEADLINE_EXCEEDED: ErrorKind.UNAVAILABLE,
}
_RETRYABLE: Final = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}


class RemoteError(VentureBotsError):
    """A failure another service told, or the loss of the call itself.

    `code` is the peer's own when it told one. A lost or refused call has
    `rpc_<status>`, e.g. `rpc_unavailable`, and `is_told` False.
    """

    def __init__(
        self,
        detail: str,
        *,
        code: str,
        retryable: bool,
        is_told: bool,
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(detail, retry_after_ms=retry_after_ms)
        self.code = code
        self.retryable = retryable
        self.is_told = is_told


_REMOTE_ERRORS: Final[dict[ErrorKind, type[RemoteError]]] = {
    kind: type("RemoteError", (RemoteError,), {"kind": kind, "__doc__": kind.value})
    for kind in ErrorKind
}


def from_rpc_error(error: grpc.aio.AioRpcError) -> RemoteError:
    """Translate what a call raised into a typed error of the same kind."""
    status = error.code()
    remote = _REMOTE_ERRORS[_KINDS.get(status, ErrorKind.INTERNAL)]
    info, retry_after_ms = _told_details(error)
    if info is None:
        return remote(
            error.details() or status.name.lower(),
            code=f"rpc_{status.name.lower()}",
            retryable=status in _RETRYABLE,
            is_told=False,
        )
    return remote(
        error.details() or info.reason,
        code=info.reason,
        retryable=info.metadata.get("retryable") == "true",
        is_told=True,
        retry_after_ms=retry_after_ms,
    )


@contextmanager
def remote_errors() -> Iterator[None]:
    """Raise what calls inside the block raise as `RemoteError`."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error


@asynccontextmanager
async def abort_on_error(
    context: grpc.aio.ServicerContext[Any, Any],
    *,
    statuses: Mapping[str, grpc.StatusCode] | None = None,
) -> AsyncIterator[None]:
    """End a call with a rich status when the block raises.

    A `VentureBotsError` is told as it is, with the status of its kind or the one
    `statuses` has for its code; anything else is logged and told as `internal`,
    without its text.
    """
    try:
        yield
    except VentureBotsError as error:
        status = (statuses or {}).get(error.code, _CODES[error.kind])
        await _abort(context, error, status)
    except (grpc.aio.AbortError, grpc.RpcError):
        raise
    except Exception:
        _logger.exception("call failed")
        hidden = VentureBotsError("the service failed; see its log")
        await _abort(context, hidden, grpc.StatusCode.INTERNAL)


async def _abort(
    context: grpc.aio.ServicerContext[Any, Any],
    error: VentureBotsError,
    status: grpc.StatusCode,
) -> None:
    info = ErrorInfo(
        reason=error.code,
        domain=_DOMAIN,
        metadata={"retryable": "true" if error.retryable else "false"},
    )
    details = [_packed(info)]
    if error.retry_after_ms is not None:
        delay = Duration()
        delay.FromMilliseconds(error.retry_after_ms)
        details.append(_packed(RetryInfo(retry_delay=delay)))
    code: int = status.value[0]
    rich = rpc_status.to_status(
        Status(code=code, message=error.detail, details=details)
    )
    await context.abort(rich.code, rich.details, rich.trailing_metadata)


def _packed(message: ErrorInfo | RetryInfo) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


def _told_details(
    error: grpc.aio.AioRpcError,
) -> tuple[ErrorInfo | None, int | None]:
    info: ErrorInfo | None = None
    retry_after_ms: int | None = None
    for key, value in error.trailing_metadata() or ():
        if key != _DETAILS_KEY or not isinstance(value, bytes):
            continue
        for detail in Status.FromString(value).details:
            if detail.Is(ErrorInfo.DESCRIPTOR):
                info = ErrorInfo()
                detail.Unpack(info)
            elif detail.Is(RetryInfo.DESCRIPTOR):
                retry = RetryInfo()
                detail.Unpack(retry)
                retry_after_ms = retry.retry_delay.ToMilliseconds()
    return info, retry_after_ms
