"""Every open connection that follows a stream, so that all can be told to go."""

import asyncio
from typing import Protocol

from prometheus_client import Gauge

__all__ = ["Drainable", "SocketRegistry"]

_OPEN = Gauge("venturebots_gateway_sockets", "Open sockets and live streams.")


class Drainable(Protocol):
    """A connection that can be told that this gateway goes away."""

    def drain(self) -> None:
        """End soon, telling the client to come back; never blocks."""


class SocketRegistry:
    """Knows every open socket and live stream of the process."""

    def __init__(self) -> None:
        self._open: dict[Drainable, None] = {}
        self._is_draining = False

    @property
    def is_draining(self) -> bool:
        """Whether new connections are to be sent elsewhere."""
        return self._is_draining

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    def add(self, connection: Drainable) -> None:
        """Count a connection in."""
        self._open[connection] = None
        _OPEN.inc()

    def discard(self, connection: Drainable) -> None:
        """Count a connection out, once."""
        if connection in self._open:
            del self._open[connection]
            _OPEN.dec()

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
