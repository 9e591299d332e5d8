"""What sockets and live streams need of the rest of the gateway."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from starlette.requests import HTTPConnection

from services.api_gateway.fanout import Fanout
from services.api_gateway.socket.registry import SocketRegistry
from services.api_gateway.socket.settings import SocketSettings
from services.api_gateway.socket.subscription import StreamLog
from services.api_gateway.telemetry import GatewayTelemetry
from services.api_gateway.wire.commands import Command
from services.api_gateway.wire.frames import AckFrame

__all__ = ["Authenticate", "Commands", "LiveServices", "Peers", "Provide", "Slots"]

type Authenticate = Callable[[HTTPConnection], Awaitable[str]]
"""Gives the founder's id; raises `FounderUnknownError`."""


class Commands(Protocol):
    """Carries out what a founder asks for."""

    async def execute(self, founder_id: str, command: Command) -> AckFrame:
        """Carry out a command; raises `VentureBotsError` when it is refused."""


class Peers(Protocol):
    """What is believed about the other end."""

    def address(self, connection: HTTPConnection) -> str:
        """The client's address."""

    def origin_is_allowed(self, connection: HTTPConnection) -> bool:
        """Whether the Origin sent is an allowed one."""


class Slots(Protocol):
    """Counts the open sockets of a founder and of an address."""

    def acquire(self, founder_id: str, address: str) -> None:
        """Take a slot; raises `TooManySocketsError`."""

    def release(self, founder_id: str, address: str) -> None:
        """Give a slot back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveServices:
    """The parts of the gateway a socket or a live stream works with."""

    store: StreamLog
    fanout: Fanout
    commands: Commands
    registry: SocketRegistry
    authenticate: Authenticate
    peers: Peers
    slots: Slots
    telemetry: GatewayTelemetry = field(default_factory=GatewayTelemetry.unread)
    settings: SocketSettings = field(default_factory=SocketSettings)


type Provide = Callable[[HTTPConnection], LiveServices]
"""Finds the services when a connection comes: they are made at start-up."""
