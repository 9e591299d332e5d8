"""The fan-out of one process."""

from dataclasses import dataclass, field

from services.api_gateway.fanout import LoggedEvent
from services.api_gateway.fanout_local import LocalFanout


@dataclass(eq=False)
class Ear:
    """Remembers what it was told; may leave while it is told."""

    fanout: LocalFanout
    leaves_at: int = 0
    heard: list[int] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def offer(self, event: LoggedEvent) -> None:
        """Take an event."""
        self.heard.append(event.seq)
        if event.seq == self.leaves_at:
            self.fanout.detach(event.stream, self)

    def end(self, stream: str) -> None:
        """Take the end."""
        self.ended.append(stream)
        self.fanout.detach(stream, self)


def events(stream: str, *seqs: int) -> list[LoggedEvent]:
    return [LoggedEvent(stream, seq, "usage", "{}") for seq in seqs]


def test_every_listener_of_a_stream_hears_its_events_in_order() -> None:
    fanout = LocalFanout()
    one, two, other = Ear(fanout), Ear(fanout), Ear(fanout)
    for stream, ear in (("a", one), ("a", two), ("b", other)):
        fanout.attach(stream, ear)

    fanout.publish([*events("a", 1, 2), *events("b", 1), *events("a", 3)])

    assert (one.heard, two.heard, other.heard) == ([1, 2, 3], [1, 2, 3], [1])


def test_attaching_twice_is_attaching_once_and_nobody_may_be_detached() -> None:
    fanout = LocalFanout()
    ear = Ear(fanout)
    fanout.attach("a", ear)
    fanout.attach("a", ear)
    fanout.detach("b", ear)
    fanout.detach("a", Ear(fanout))

    fanout.publish(events("a", 1))

    assert ear.heard == [1]


def test_a_listener_that_leaves_while_told_keeps_nobody_from_hearing() -> None:
    fanout = LocalFanout()
    leaving, staying = Ear(fanout, leaves_at=1), Ear(fanout)
    fanout.attach("a", leaving)
    fanout.attach("a", staying)

    fanout.publish(events("a", 1, 2))

    assert (leaving.heard, staying.heard) == ([1], [1, 2])


def test_the_end_of_a_stream_is_told_once_and_forgets_its_listeners() -> None:
    fanout = LocalFanout()
    one, two = Ear(fanout), Ear(fanout)
    fanout.attach("a", one)
    fanout.attach("a", two)

    fanout.end("a")
    fanout.end("a")
    fanout.publish(events("a", 1))

    assert (one.ended, two.ended, one.heard) == (["a"], ["a"], [])
    assert fanout.listeners("a") == ()
