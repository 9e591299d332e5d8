"""Client side: a kept-alive channel and the metadata its calls carry."""

from dataclasses import dataclass
from pathlib import Path

import grpc.aio

from libs.rpc.bearer import BearerToken, is_loopback

__all__ = ["Connection", "connect"]

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""A long conversation's history fits; anything larger is a mistake."""

OPTIONS = (
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # A restarted peer is found again quickly.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Each channel has its own connection: closing one cannot disturb another.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
)


@dataclass(frozen=True, slots=True)
class Connection:
    """A channel to one address and the token its calls show, if any.

    Calls pass `metadata=connection.metadata()`: an interceptor would cost time
    for every streamed message.
    """

    address: str
    channel: grpc.aio.Channel
    token: BearerToken | None

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the metadata of one call."""
        return self.token.metadata() if self.token else ()

    async def aclose(self) -> None:
        """Close the channel and end the calls still open on it."""
        await self.channel.close()


def connect(address: str, *, token_file: Path | None = None) -> Connection:
    """Open a channel to `host:port` or `unix:path`; nothing is sent yet.

    Raises ValueError when the address is beyond loopback and there is no token.
    """
    if token_file is None and not is_loopback(address):
        message = f"{address!r} is beyond loopback: a token file is required"
        raise ValueError(message)
    return Connection(
        address=address,
        channel=grpc.aio.insecure_channel(address, options=OPTIONS),
        token=BearerToken(token_file) if token_file else None,
    )
