"""How much of a provider this process may use at once and per minute."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextlib import nullcontext as no_limit

from libs.crewspec.compiled import ModelDocument

__all__ = ["Quota"]

_MINUTE_SECONDS = 60.0


class _Bucket:
    """Refills evenly over a minute; may go into debt, never over its size."""

    def __init__(self, per_minute: int) -> None:
        self._size = float(per_minute)
        self._level = self._size
        self._filled_at = 0.0

    async def take(self, amount: int) -> None:
        """Take an amount as soon as the bucket is out of debt, in turn."""
        self._refill()
        debt = max(0.0, min(amount, self._size) - self._level)
        self._level -= amount
        if debt:
            await asyncio.sleep(debt / self._size * _MINUTE_SECONDS)

    def _refill(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._filled_at:
            gained = (now - self._filled_at) / _MINUTE_SECONDS * self._size
            self._level = min(self._size, self._level + gained)
        self._filled_at = now


class Quota:
    """The limits of one model document, shared by all runs of the process."""

    def __init__(self, document: ModelDocument) -> None:
        self._places = (
            asyncio.Semaphore(document.max_concurrent)
            if document.max_concurrent
            else None
        )
        self._requests = _bucket(document.requests_per_minute)
        self._tokens = _bucket(document.tokens_per_minute)

    @asynccontextmanager
    async def slot(self, tokens: int) -> AsyncIterator[None]:
        """Wait for a place and for the rates; hold the place meanwhile."""
        async with self._places or no_limit():
            if self._requests is not None:
                await self._requests.take(1)
            if self._tokens is not None:
                await self._tokens.take(tokens)
            yield


def _bucket(per_minute: int | None) -> _Bucket | None:
    return _Bucket(per_minute) if per_minute else None
