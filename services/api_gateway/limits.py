"""How much a founder or an address may ask for: the port and its counters."""

import math
import time
from collections import Counter, OrderedDict
from typing import Protocol
from uuid import UUID

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from services.api_gateway.config import LimitSettings
from services.api_gateway.errors import RateLimitedError, TooManySocketsError

__all__ = ["Limits", "MemoryLimits", "SocketSlots"]

_REMEMBERED_REQUESTS = 20_000


class Limits(Protocol):
    """Charges requests; each method raises `RateLimitedError` beyond the limit.

    A request id that was charged is not charged again when it is repeated.
    """

    async def charge_message(self, founder_id: str, request_id: UUID) -> None:
        """Charge a message or a retry to the founder."""

    async def charge_session(self, founder_id: str, request_id: UUID) -> None:
        """Charge a new session to the founder."""

    async def charge_founder(self, address: str) -> None:
        """Charge a new founder to the address."""


class MemoryLimits:
    """Sliding windows in this process's memory.

    Two counters stand for a window: one entry for each request would be walked
    at every charge, a millisecond with 400 founders.
    """

    def __init__(self, settings: LimitSettings) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._messages = RateLimitItemPerMinute(
            settings.messages_per_minute, namespace="messages"
        )
        self._sessions = RateLimitItemPerHour(
            settings.sessions_per_hour, namespace="sessions"
        )
        self._founders = RateLimitItemPerHour(
            settings.founders_per_hour_per_address, namespace="founders"
        )
        self._charged: OrderedDict[tuple[str, UUID], None] = OrderedDict()

    async def charge_message(self, founder_id: str, request_id: UUID) -> None:
        """Charge a message or a retry to the founder."""
        await self._charge_once(self._messages, founder_id, request_id)

    async def charge_session(self, founder_id: str, request_id: UUID) -> None:
        """Charge a new session to the founder."""
        await self._charge_once(self._sessions, founder_id, request_id)

    async def charge_founder(self, address: str) -> None:
        """Charge a new founder to the address."""
        await self._charge(self._founders, address)

    async def _charge_once(
        self, limit: RateLimitItem, founder_id: str, request_id: UUID
    ) -> None:
        key = (founder_id, request_id)
        if key in self._charged:
            return
        # Marked first: the same request many times at once is charged once.
        self._charged[key] = None
        try:
            await self._charge(limit, founder_id)
        except RateLimitedError:
            self._charged.pop(key, None)
            raise
        while len(self._charged) > _REMEMBERED_REQUESTS:
            self._charged.popitem(last=False)

    async def _charge(self, limit: RateLimitItem, identity: str) -> None:
        if await self._limiter.hit(limit, identity):
            return
        window = await self._limiter.get_window_stats(limit, identity)
        wait_seconds = max(1, math.ceil(window.reset_time - time.time()))
        raise RateLimitedError(
            f"at most {limit}; try again in {wait_seconds} s",
            retry_after_ms=wait_seconds * 1_000,
        )


class SocketSlots:
    """Counts the open sockets of each founder and of each address."""

    def __init__(self, settings: LimitSettings) -> None:
        self._per_founder = settings.sockets_per_founder
        self._per_address = settings.sockets_per_address
        self._founders: Counter[str] = Counter()
        self._addresses: Counter[str] = Counter()

    def acquire(self, founder_id: str, address: str) -> None:
        """Take a slot; give it back with `release`.

        Raises `TooManySocketsError` when the founder or the address has no more.
        """
        if self._founders[founder_id] >= self._per_founder:
            raise TooManySocketsError(
                f"at most {self._per_founder} sockets per founder; close another tab"
            )
        if self._addresses[address] >= self._per_address:
            raise TooManySocketsError(
                f"at most {self._per_address} sockets from one address"
            )
        self._founders[founder_id] += 1
        self._addresses[address] += 1

    def release(self, founder_id: str, address: str) -> None:
        """Give a slot back."""
        _decrease(self._founders, founder_id)
        _decrease(self._addresses, address)

    @property
    def open_sockets(self) -> int:
        """How many slots are taken."""
        return self._founders.total()


def _decrease(counts: Counter[str], key: str) -> None:
    counts[key] -= 1
    if counts[key] <= 0:
        del counts[key]
