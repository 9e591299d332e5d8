"""Places under a greedy founder: nobody waits longer than their share allows."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from services.orchestrator.errors import OverloadedError
from services.orchestrator.runs.admission import Admission, Ticket

_GREEDY = "greedy"


@dataclass
class Hall:
    """Admission seen from outside: who holds a place, who waits, who was refused."""

    admission: Admission
    tickets: list[Ticket] = field(default_factory=list)
    told: dict[int, int] = field(default_factory=dict)
    admitted: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    def enter(self, founder: str) -> None:
        """Let a founder's run arrive."""
        number = len(self.tickets) + self.refused.total()
        try:
            ticket = self.admission.enter(founder, self._teller(number))
        except OverloadedError:
            self.refused[founder] += 1
            return
        self.tickets.append(ticket)
        if ticket.admitted.done():
            self.admitted.append(founder)

    def _teller(self, number: int) -> Callable[[int], None]:
        def tell(position: int) -> None:
            self.told[number] = position

        return tell

    def leave(self, ticket: Ticket) -> list[Ticket]:
        """Let a run end; returns who came in for it."""
        waiting = self.waiting
        self.tickets.remove(ticket)
        self.admission.leave(ticket)
        entered = [
            other for other in waiting if other is not ticket and other.admitted.done()
        ]
        self.admitted += [other.founder_ref for other in entered]
        return entered

    @property
    def holding(self) -> list[Ticket]:
        """Those who hold a place."""
        return [ticket for ticket in self.tickets if ticket.admitted.done()]

    @property
    def waiting(self) -> list[Ticket]:
        """Those who wait."""
        return [ticket for ticket in self.tickets if not ticket.admitted.done()]

    def held_by(self, founder: str) -> int:
        """How many places a founder holds."""
        return sum(ticket.founder_ref == founder for ticket in self.holding)


def hall(*, places: int, queue: int, share: float = 0.25) -> Hall:
    """A hall with so many places and seats to wait."""
    return Hall(Admission(places, queue, queue_seconds=60, founder_share=share))


@given(st.permutations([_GREEDY] * 200 + [f"m{n}" for n in range(20)]))
@settings(max_examples=25, deadline=None)
def test_a_greedy_founder_keeps_no_modest_one_waiting(arrivals: list[str]) -> None:
    """200 runs of one beside one of each of 20, in any order of arrival."""

    async def scenario() -> None:
        at = hall(places=40, queue=200)
        for founder in arrivals:
            at.enter(founder)
        assert at.held_by(_GREEDY) == 10
        assert sum(t.founder_ref == _GREEDY for t in at.waiting) == 50
        assert at.refused == {_GREEDY: 140}
        assert all(at.held_by(f"m{number}") == 1 for number in range(20))

    asyncio.run(scenario())


@given(
    st.permutations([_GREEDY] * 200 + [f"m{n}" for n in range(20)]),
    st.randoms(use_true_random=False),
)
@settings(max_examples=25, deadline=None)
def test_in_a_full_house_each_place_goes_to_a_modest_founder_while_one_waits(
    arrivals: list[str], rng: random.Random
) -> None:
    async def scenario() -> None:
        at = hall(places=8, queue=200)
        for founder in arrivals:
            at.enter(founder)
        assert not at.refused.keys() - {_GREEDY}
        while modest := {ticket.founder_ref for ticket in at.waiting} - {_GREEDY}:
            (entered,) = at.leave(rng.choice(at.holding))
            assert entered.founder_ref in modest
        at.leave(rng.choice(at.holding))
        assert {f"m{number}" for number in range(20)} <= set(at.admitted)
        assert at.held_by(_GREEDY) <= 2

    asyncio.run(scenario())


_FOUNDERS = st.sampled_from(["a", "b", "c", "d", "e"])
_MOVES = st.lists(
    st.tuples(st.just("enter"), _FOUNDERS)
    | st.tuples(st.just("leave"), st.integers(0, 30)),
    max_size=80,
)


@given(_MOVES, st.integers(1, 6), st.integers(0, 12), st.sampled_from([0.25, 0.5, 1.0]))
@settings(max_examples=150, deadline=None)
def test_whatever_happens_shares_are_kept_and_no_place_stays_empty(
    moves: list[tuple[str, str | int]], places: int, queue: int, share: float
) -> None:
    async def scenario() -> None:
        at = hall(places=places, queue=queue, share=share)
        most = max(1, int(places * share))
        for kind, what in moves:
            if kind == "enter":
                at.enter(str(what))
            elif at.tickets:
                at.leave(at.tickets[int(what) % len(at.tickets)])
            holding = Counter(ticket.founder_ref for ticket in at.holding)
            assert at.admission.active_runs == holding.total() <= places
            assert at.admission.queued_runs == len(at.waiting) <= queue
            assert all(held <= most for held in holding.values())
            if holding.total() < places:
                assert all(holding[t.founder_ref] >= most for t in at.waiting)

    asyncio.run(scenario())


@given(st.lists(_FOUNDERS, min_size=8, max_size=30), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_a_told_position_is_the_turn_in_which_one_comes_in(
    arrivals: list[str], places: int
) -> None:
    """When nobody else arrives, the first in line is the next to enter."""

    async def scenario() -> None:
        at = hall(places=places, queue=100, share=1.0)
        for founder in arrivals:
            at.enter(founder)
        while at.waiting:
            at.admission.tell_positions()
            positions = {ticket.position for ticket in at.waiting}
            assert positions == set(range(1, len(at.waiting) + 1))
            first = min(at.waiting, key=lambda ticket: ticket.position)
            waiting = {ticket.founder_ref for ticket in at.waiting}
            # A founder whose own run ends moves up; the others keep their order.
            strangers = [t for t in at.holding if t.founder_ref not in waiting]
            (entered,) = at.leave((strangers or at.holding)[0])
            assert entered is first or not strangers
        assert not at.refused

    asyncio.run(scenario())
