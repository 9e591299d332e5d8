"""When streamed text is passed on: for all runs at the same moments.

What many runs pass on together shares wake-ups, packets and commits on its way
to the founders. A piece costs the same whatever its length: while many runs speak at
once, every other moment is left out, and more founders find a processor.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["MANY_RUNS", "PACE", "Pace"]

_SECONDS: Final = 0.05
_SECONDS_OF_MANY: Final = 0.1
MANY_RUNS: Final = 32
"""More runs than this at once are many."""


class Pace:
    """The moments at which the runs of a process pass text on."""

    def __init__(self) -> None:
        self._runs = 0

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Count a run that passes text on."""
        self._runs += 1
        try:
            yield
        finally:
            self._runs -= 1

    @property
    def is_of_many(self) -> bool:
        """Whether many runs speak at once."""
        return self._runs > MANY_RUNS

    @property
    def seconds(self) -> float:
        """How long a piece of text may wait for others."""
        return _SECONDS_OF_MANY if self.is_of_many else _SECONDS

    def next_moment(self, now: float) -> float:
        """The next moment, on the event loop's clock, at which text is passed on."""
        seconds = self.seconds
        return (now // seconds + 1) * seconds


PACE: Final = Pace()
"""The pace of this process."""
