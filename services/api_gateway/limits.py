"""How much a founder or an address may ask for: the port and its counters."""

import math
import time
from collections import Counter, OrderedDict
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Protocol
from uuid import UUID

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from services.api_gateway.config import LimitSettings
from services.api_gateway.errors import RateLimitedError, TooManySocketsError

__all__ = ["Limits", "MemoryLimits", "SocketSlots"]

_REMEMBERED_REQUESTS = 20_000
_IPV6_BLOCK_BITS = 64
"""What a provider gives one household, out of which it may take any address."""


class Limits(Protocol):
    """Charges requests; each method raises `RateLimitedError` beyond the limit.

    A request id that was charged is not charged again when it is repeated.
    """

    async def charge_message(self, founder_id: str, request_id: UUID) -> None:
        """Charge a message to the founder."""

    async def charge_retry(self, founder_id: str, request_id: UUID) -> None:
        """Charge a retry to the founder, as a message."""

    async def charge_session(self, founder_id: str, request_id: UUID) -> None:
        """Charge a new session to the founder."""

    async def charge_branch(self, founder_id: str, request_id: UUID) -> None:
        """Charge a branch to the founder, as a session and as a message."""

    async def charge_change(
        self, founder_id: str, request_id: UUID | None, *, route: str = "change"
    ) -> None:
        """Charge a change that calls no model, e.g. a rating, to the founder."""

    async def charge_search(self, founder_id: str) -> None:
        """Charge a search to the founder."""

    async def charge_founder(self, address: str) -> None:
        """Charge a new founder to the address."""

    async def charge_link(self, address: str) -> None:
        """Charge the use of a link, or the attempt, to the address."""


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
        self._changes = RateLimitItemPerMinute(
            settings.changes_per_minute, namespace="changes"
        )
        self._searches = RateLimitItemPerMinute(
            settings.searches_per_minute, namespace="searches"
        )
        self._links = RateLimitItemPerHour(
            settings.links_per_hour_per_address, namespace="links"
        )
        self._founders = RateLimitItemPerHour(
            settings.founders_per_hour_per_address, namespace="founders"
        )
        # Hashes, a fifth as large as what they stand for: two of a kind would let
        # one request in 10^14 pass without a charge.
        self._charged: OrderedDict[int, None] = OrderedDict()

    async def charge_message(self, founder_id: str, request_id: UUID) -> None:
        """Charge a message to the founder."""
        await self._charge_once(self._messages, "message", founder_id, request_id)

    async def charge_retry(self, founder_id: str, request_id: UUID) -> None:
        """Charge a retry to the founder, as a message."""
        await self._charge_once(self._messages, "retry", founder_id, request_id)

    async def charge_session(self, founder_id: str, request_id: UUID) -> None:
        """Charge a new session to the founder."""
        await self._charge_once(self._sessions, "session", founder_id, request_id)

    async def charge_branch(self, founder_id: str, request_id: UUID) -> None:
        """Charge a branch to the founder, as a session and as a message."""
        kinds = ((self._sessions, "branch"), (self._messages, "branch.message"))
        for limit, kind in kinds:
            await self._charge_once(limit, kind, founder_id, request_id)

    async def charge_change(
        self, founder_id: str, request_id: UUID | None, *, route: str = "change"
    ) -> None:
        """Charge a change that calls no model, e.g. a rating, to the founder."""
        if request_id is None:
            await self._charge(self._changes, founder_id)
        else:
            await self._charge_once(self._changes, route, founder_id, request_id)

    async def charge_search(self, founder_id: str) -> None:
        """Charge a search to the founder."""
        await self._charge(self._searches, founder_id)

    async def charge_founder(self, address: str) -> None:
        """Charge a new founder to the address."""
        await self._charge(self._founders, _block_of(address))

    async def charge_link(self, address: str) -> None:
        """Charge the use of a link, or the attempt, to the address."""
        await self._charge(self._links, _block_of(address))

    async def _charge_once(
        self, limit: RateLimitItem, kind: str, founder_id: str, request_id: UUID
    ) -> None:
        # Request ids are the founder's own for each kind of command.
        key = hash((kind, founder_id, request_id))
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
        address = _block_of(address)
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
        _decrease(self._addresses, _block_of(address))

    @property
    def open_sockets(self) -> int:
        """How many slots are taken."""
        return self._founders.total()


def _block_of(address: str) -> str:
    """The addresses that count as one: an IPv4 address, or an IPv6 network."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((int(parsed), _IPV6_BLOCK_BITS), strict=False))


def _decrease(counts: Counter[str], key: str) -> None:
    counts[key] -= 1
    if counts[key] <= 0:
        del counts[key]
