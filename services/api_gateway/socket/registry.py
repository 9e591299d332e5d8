"""Every open connection that follows a stream, so that all can be told to go."""

import asyncio
from enum import StrEnum
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry

from services.api_gateway.metrics import GatewayMetrics
from services.api_gateway.wire.frames import CloseCode

__all__ = ["ConnectionKind", "Drainable", "SocketRegistry"]

_logger = structlog.get_logger(__name__)

# Clients choose their close codes: only these become labels.
_CODES = frozenset({1000, 1001, 1005, 1006, 1009, 1011, *CloseCode})


class ConnectionKind(StrEnum):
    """How a connection follows streams."""

    SOCKET = "socket"
    EVENT_STREAM = "event_stream"


class Drainable(Protocol):
    """A connection that can be told that this gateway goes away."""

    def drain(self) -> None:
        """End soon, telling the client to come back; never blocks."""


class SocketRegistry:
    """Knows every open socket and live stream of the process."""

    def __init__(self, metrics: GatewayMetrics | None = None) -> None:
        self._metrics = metrics or GatewayMetrics(CollectorRegistry())
        self._open: dict[Drainable, ConnectionKind] = {}
        self._is_draining = False

    @property
    def is_draining(self) -> bool:
        """Whether new connections are to be sent elsewhere."""
        return self._is_draining

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    def add(
        self, connection: Drainable, kind: ConnectionKind = ConnectionKind.SOCKET
    ) -> None:
        """Count a connection in."""
        self._open[connection] = kind
        self._metrics.sockets.labels(kind.value).inc()
        self._metrics.sockets_opened.labels(kind.value).inc()
        _logger.debug("connection opened", kind=kind.value)

    def discard(self, connection: Drainable, code: int | str | None = None) -> None:
        """Count a connection out, once, with its close code or reason."""
        kind = self._open.pop(connection, None)
        if kind is not None:
            self._metrics.sockets.labels(kind.value).dec()
            label = _label(code) if isinstance(code, int) else code or "lost"
            self._metrics.sockets_closed.labels(kind.value, label).inc()
            _logger.debug("connection closed", kind=kind.value, code=label)

    def refused(self, code: CloseCode) -> None:
        """Count a socket that was turned away at its handshake."""
        self._metrics.sockets_refused.labels(_label(code)).inc()

    def replayed(self, *, events: int, snapshots: int) -> None:
        """Count what brought a reader up to date."""
        self._metrics.replayed_events.inc(events)
        self._metrics.snapshots.inc(snapshots)

    async def drain(self, seconds: float) -> None:
        """Refuse new connections and end the open ones, spread over `seconds`.

        Spread, so that their clients do not all knock at the next gateway at
        once. Returns when the last was told.
        """
        self._is_draining = True
        waiting = list(self._open)
        pause_seconds = seconds / max(1, len(waiting))
        for connection in waiting:
            connection.drain()
            await asyncio.sleep(pause_seconds)


def _label(code: int) -> str:
    return str(int(code)) if code in _CODES else "other"
