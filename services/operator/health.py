"""Whether the process still hears the API server: what `/livez` goes by."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from services.operator.metrics import Metrics

__all__ = ["WatchHealth"]

_TICK_SECONDS: Final = 1.0


class _Content(Protocol):
    total_bytes: int


@dataclass(slots=True)
class _Stream:
    """A watch: what was read of its present response, and when that grew last."""

    content: _Content
    heard_bytes: int
    heard_at: float


class WatchHealth:
    """How long ago the API server said something on each watch.

    Bookmarks, which come at least once a minute, are told to nobody; that is why
    bytes are counted. Use it in one event loop.
    """

    def __init__(
        self, *, expected: int, stale_seconds: float, metrics: Metrics
    ) -> None:
        self._expected = expected
        self._stale_seconds = stale_seconds
        self._metrics = metrics
        self._streams: dict[str, _Stream] = {}
        self._began_at = asyncio.get_running_loop().time()
        self._ticked_at = self._began_at

    @property
    def is_watching(self) -> bool:
        """Whether every watch was opened."""
        return len(self._streams) >= self._expected

    @property
    def age_seconds(self) -> float:
        """How long ago the quietest watch was heard."""
        now = asyncio.get_running_loop().time()
        heard = [stream.heard_at for stream in self._streams.values()]
        if not self.is_watching:
            heard.append(self._began_at)
        return now - min(heard, default=now)

    @property
    def is_alive(self) -> bool:
        """Whether watches are heard and the event loop keeps its appointments."""
        late = asyncio.get_running_loop().time() - self._ticked_at
        return max(self.age_seconds, late) < self._stale_seconds

    def opened(self, watch: str, content: _Content) -> None:
        """Note that a watch, by its path, has a new response."""
        now = asyncio.get_running_loop().time()
        self._streams[watch] = _Stream(content, content.total_bytes, now)

    async def run(self, on_tick: Callable[[], None]) -> None:
        """Look every second for ever, and let others look too."""
        while True:
            now = self._ticked_at = asyncio.get_running_loop().time()
            for stream in self._streams.values():
                if stream.content.total_bytes != stream.heard_bytes:
                    stream.heard_bytes = stream.content.total_bytes
                    stream.heard_at = now
            self._metrics.watch_age_seconds.set(self.age_seconds)
            on_tick()
            await asyncio.sleep(_TICK_SECONDS)
