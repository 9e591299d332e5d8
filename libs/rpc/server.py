"""Server side: a grpc.aio server that knows its callers."""

from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, override

import grpc
import grpc.aio

from libs.rpc.bearer import BearerToken
from libs.rpc.channel import MAX_MESSAGE_BYTES

__all__ = ["create_server"]

OPTIONS = (
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # A taken port is an error, not a second listener.
    ("grpc.so_reuseport", 0),
)
# Probes of a platform cannot show a token, and learn nothing but "serving".
_OPEN_SERVICE = "/grpc.health.v1.Health/"


def create_server(*, token: BearerToken | None = None) -> grpc.aio.Server:
    """Create a server; with a token every call but health checks must show it."""
    interceptors = [_RequireToken(token)] if token else []
    return grpc.aio.server(interceptors=interceptors, options=OPTIONS)


class _RequireToken(grpc.aio.ServerInterceptor):
    """Refuses calls that do not show the token."""

    def __init__(self, token: BearerToken) -> None:
        self._token = token

    @override
    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails],
            Awaitable["grpc.RpcMethodHandler[Any, Any] | None"],
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """Let the call through or replace its handler by a refusal."""
        is_open = handler_call_details.method.startswith(_OPEN_SERVICE)
        metadata = handler_call_details.invocation_metadata
        if is_open or self._token.is_shown_in(metadata):
            return await continuation(handler_call_details)
        return grpc.unary_unary_rpc_method_handler(_refuse)


async def _refuse(
    _request: object, context: grpc.aio.ServicerContext[Any, Any]
) -> NoReturn:
    await context.abort(
        grpc.StatusCode.UNAUTHENTICATED, "the call shows no valid bearer token"
    )
