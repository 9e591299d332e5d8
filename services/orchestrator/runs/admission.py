"""Who may execute now, who waits, and in which order.

Places go to the founder who has the fewest, among equals to who was served the
longest ago; a founder holds at most a share of the places and of the queue. Those
who wait are told their position.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from services.orchestrator.errors import OverloadedError

__all__ = ["Admission", "Ticket"]

_TELL_SECONDS: Final = 1.0
"""Positions change often and matter little: they are told once a second."""
_RETRY_AFTER_MS: Final = 5_000


@dataclass(slots=True, eq=False)
class Ticket:
    """A run's claim to a place; leave it exactly once."""

    founder_ref: str
    number: int
    tell_position: Callable[[int], None]
    admitted: asyncio.Future[None]
    position: int = 0


@dataclass(slots=True)
class Admission:
    """Places and a queue in front of them.

    `founder_share` is the fraction of both that one founder may hold.
    """

    places: int
    queue_limit: int
    queue_seconds: float
    founder_share: float
    _active: Counter[str] = field(default_factory=Counter)
    _served: dict[str, int] = field(default_factory=dict)
    """When founders who are here last got a place, as a number that grows."""
    _active_total: int = 0
    _queue: list[Ticket] = field(default_factory=list)
    _issued: int = 0
    _admissions: int = 0
    _timer: asyncio.TimerHandle | None = None

    @property
    def active_runs(self) -> int:
        """How many hold a place."""
        return self._active_total

    @property
    def queued_runs(self) -> int:
        """How many wait for one."""
        return len(self._queue)

    def enter(self, founder_ref: str, tell_position: Callable[[int], None]) -> Ticket:
        """Take a place or join the queue, at once.

        Raises OverloadedError when the queue, or the founder's share of it, is
        full.
        """
        self._issued += 1
        admitted = asyncio.get_running_loop().create_future()
        ticket = Ticket(founder_ref, self._issued, tell_position, admitted)
        if self._has_place_for(ticket):
            self._admit(ticket)
            return ticket
        waiting = sum(other.founder_ref == founder_ref for other in self._queue)
        if len(self._queue) >= self.queue_limit:
            raise OverloadedError(
                "all places are taken and the queue is full; try again shortly",
                retry_after_ms=_RETRY_AFTER_MS,
            )
        if waiting >= self._share_of(self.queue_limit):
            raise OverloadedError(
                "too many of your own replies are waiting; let some finish",
                retry_after_ms=_RETRY_AFTER_MS,
            )
        self._queue.append(ticket)
        self._tell(ticket, self._order().index(ticket) + 1)
        self._tell_later()
        return ticket

    async def wait(self, ticket: Ticket) -> None:
        """Wait for a place; raises OverloadedError when it takes too long."""
        try:
            async with asyncio.timeout(self.queue_seconds):
                await asyncio.shield(ticket.admitted)
        except TimeoutError:
            if ticket.admitted.done():
                return
            raise OverloadedError(
                f"no place became free within {self.queue_seconds:g} s; try again",
                retry_after_ms=_RETRY_AFTER_MS,
            ) from None

    def leave(self, ticket: Ticket) -> None:
        """Give the place back, or leave the queue."""
        if ticket.admitted.done():
            self._active_total -= 1
            self._active[ticket.founder_ref] -= 1
            if not self._active[ticket.founder_ref]:
                del self._active[ticket.founder_ref]
        else:
            self._queue.remove(ticket)
            ticket.admitted.cancel()
        self._forget_if_gone(ticket.founder_ref)
        while self._queue and self._active_total < self.places:
            following = next(filter(self._has_place_for, self._order()), None)
            if following is None:
                return
            self._queue.remove(following)
            self._admit(following)

    def _forget_if_gone(self, founder_ref: str) -> None:
        is_waiting = any(other.founder_ref == founder_ref for other in self._queue)
        if not is_waiting and founder_ref not in self._active:
            self._served.pop(founder_ref, None)

    def _has_place_for(self, ticket: Ticket) -> bool:
        held = self._active[ticket.founder_ref]
        has_share = held < self._share_of(self.places)
        return self._active_total < self.places and has_share

    def _admit(self, ticket: Ticket) -> None:
        self._active_total += 1
        self._active[ticket.founder_ref] += 1
        self._admissions += 1
        self._served[ticket.founder_ref] = self._admissions
        ticket.admitted.set_result(None)

    def _share_of(self, total: int) -> int:
        return max(1, int(total * self.founder_share))

    def _order(self) -> list[Ticket]:
        """Sort the queue as if each admission made its founder wait longer."""
        claims = Counter(self._active)
        keyed: list[tuple[int, int, int, Ticket]] = []
        for ticket in self._queue:
            founder = ticket.founder_ref
            served = self._served.get(founder, 0)
            keyed.append((claims[founder], served, ticket.number, ticket))
            claims[founder] += 1
        return [ticket for *_, ticket in sorted(keyed, key=lambda key: key[:3])]

    def _tell(self, ticket: Ticket, position: int) -> None:
        if ticket.position != position:
            ticket.position = position
            ticket.tell_position(position)

    def _tell_later(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_TELL_SECONDS, self.tell_positions)

    def tell_positions(self) -> None:
        """Tell everybody who waits where they stand now."""
        self._timer = None
        for position, ticket in enumerate(self._order(), start=1):
            self._tell(ticket, position)
        if self._queue:
            self._tell_later()
