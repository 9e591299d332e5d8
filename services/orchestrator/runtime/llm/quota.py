"""How much of a provider this process may use at once and per minute.

Calls that go beyond it wait. The next place goes to the founder who holds the
fewest and was served longest ago, so nobody's many calls delay another's only one.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from libs.crewspec.compiled import ModelDocument

__all__ = ["Quota", "Slot"]

_MINUTE_SECONDS = 60.0
_LEAST_WAIT_SECONDS = 0.001


@dataclass(slots=True)
class _Bucket:
    """Refills evenly over a minute; a charge may bring it into debt."""

    size: float
    level: float
    filled_at: float

    def seconds_until(self, amount: float, now: float) -> float:
        """How long until the amount is there, or as much as it ever holds."""
        gained = (now - self.filled_at) / _MINUTE_SECONDS * self.size
        self.level = min(self.size, self.level + gained)
        self.filled_at = now
        missing = min(amount, self.size) - self.level
        return max(0.0, missing / self.size * _MINUTE_SECONDS)

    def charge(self, amount: float) -> None:
        """Take an amount, or give it back."""
        self.level = min(self.size, self.level - amount)

    def correct(self, estimated: float, told: float) -> None:
        """Replace what was charged by what is told to have been used.

        A minute's debt is the most that is left: a provider may claim any number.
        """
        self.charge(told - estimated)
        self.level = max(-self.size, self.level)


@dataclass(slots=True, eq=False)
class Slot:
    """One call that may be made; `used_tokens` is noted once they are known."""

    founder_ref: str
    tokens: int
    number: int
    granted: asyncio.Future[None] = field(repr=False)
    used_tokens: int | None = None


class Quota:
    """The limits of one model document, shared by all runs of the process."""

    def __init__(self, document: ModelDocument) -> None:
        self._places = document.max_concurrent
        self._requests = _bucket(document.requests_per_minute)
        self._tokens = _bucket(document.tokens_per_minute)
        self._held: Counter[str] = Counter()
        self._served: dict[str, int] = {}
        self._waiting: list[Slot] = []
        self._count = 0
        self._grants = 0
        self._closed_until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return len(self._waiting)

    def close_for(self, seconds: float) -> None:
        """Let no further call begin for a while: the provider asked for it."""
        until = asyncio.get_running_loop().time() + seconds
        self._closed_until = max(self._closed_until, until)

    @asynccontextmanager
    async def slot(self, founder_ref: str, tokens: int) -> AsyncIterator[Slot]:
        """Wait for a place and for the rates; hold the place meanwhile."""
        loop = asyncio.get_running_loop()
        self._count += 1
        slot = Slot(founder_ref, tokens, self._count, loop.create_future())
        self._waiting.append(slot)
        try:
            self._grant()
            if not slot.granted.done():
                await slot.granted
        except asyncio.CancelledError:
            self._give_up(slot)
            raise
        try:
            yield slot
        finally:
            self._leave(slot)

    def _grant(self) -> None:
        """Let in whoever is next, as long as there is room."""
        now = asyncio.get_running_loop().time()
        while not self._is_full and (slot := self._next()) is not None:
            wait = self._seconds_until(slot, now)
            if wait:
                self._grant_later(wait)
                return
            self._waiting.remove(slot)
            self._charge(1, slot.tokens)
            self._held[slot.founder_ref] += 1
            self._grants += 1
            self._served[slot.founder_ref] = self._grants
            slot.granted.set_result(None)

    def _next(self) -> Slot | None:
        """Who is next; not those whose task was cancelled and has yet to leave."""
        staying = (slot for slot in self._waiting if not slot.granted.done())
        return min(staying, key=self._rank, default=None)

    @property
    def _is_full(self) -> bool:
        return self._places is not None and self._held.total() >= self._places

    def _rank(self, slot: Slot) -> tuple[int, int, int]:
        founder = slot.founder_ref
        return self._held[founder], self._served.get(founder, 0), slot.number

    def _seconds_until(self, slot: Slot, now: float) -> float:
        waits = [self._closed_until - now]
        if self._requests is not None:
            waits.append(self._requests.seconds_until(1, now))
        if self._tokens is not None:
            waits.append(self._tokens.seconds_until(slot.tokens, now))
        return max(0.0, *waits)

    def _grant_later(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(seconds, _LEAST_WAIT_SECONDS), self._grant)

    def _charge(self, requests: int, tokens: float) -> None:
        if self._requests is not None:
            self._requests.charge(requests)
        if self._tokens is not None:
            self._tokens.charge(tokens)

    def _give_up(self, slot: Slot) -> None:
        """Leave the queue, or give back what was granted in the same moment."""
        if slot in self._waiting:
            self._waiting.remove(slot)
            self._grant()
        else:
            self._charge(-1, -slot.tokens)
            self._leave(slot)

    def _leave(self, slot: Slot) -> None:
        self._held[slot.founder_ref] -= 1
        if not self._held[slot.founder_ref]:
            del self._held[slot.founder_ref]
        if slot.used_tokens is not None and self._tokens is not None:
            self._tokens.correct(slot.tokens, slot.used_tokens)
        if not self._waiting:
            self._served.clear()
        self._grant()


def _bucket(per_minute: int | None) -> _Bucket | None:
    if not per_minute:
        return None
    return _Bucket(float(per_minute), float(per_minute), 0.0)
