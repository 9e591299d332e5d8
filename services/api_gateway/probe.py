"""Whether the store takes writes, asked no more often than needed."""

import asyncio
import time

from services.api_gateway.store import Store, StoreStatus

__all__ = ["StoreProbe"]

_FRESH_SECONDS = 1.0


class StoreProbe:
    """Asks the store at most once a second, however many ask for the status."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = asyncio.Lock()
        self._taken_at = -_FRESH_SECONDS
        self._status: StoreStatus | None = None

    async def status(self) -> StoreStatus:
        """The store's status, at most a second old."""
        async with self._lock:
            is_old = time.monotonic() - self._taken_at >= _FRESH_SECONDS
            if self._status is None or is_old:
                self._status = await self._store.status()
                self._taken_at = time.monotonic()
            return self._status
