"""A run's events, encoded once and read by any number of watchers.

A log never waits for a reader. When it outgrows its bound the oldest events go;
a reader who had not read them is told so.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable

from services.orchestrator.errors import EventsDroppedError
from services.orchestrator.runs.events import RunEvent

__all__ = ["Encode", "EventLog"]

Encode = Callable[[int, int, RunEvent], bytes]
"""Makes the wire form of an event from its offset, time (ns, UTC) and content.

Wire forms joined are the wire form of all their events.
"""

_READ_LIMIT = 128
"""Events given at once; what a run tells in one moment is far less."""


class EventLog:
    """Events of one run; offsets are dense, from 1."""

    def __init__(self, *, encode: Encode, max_bytes: int) -> None:
        self._encode = encode
        self._max_bytes = max_bytes
        self._events: list[bytes] = []
        self._dropped = 0
        self._is_closed = False
        self._waiting: list[asyncio.Future[None]] = []
        self.size_bytes = 0
        self.is_read = False
        """Whether somebody was given the log to its end."""

    @property
    def last_offset(self) -> int:
        """The offset of the newest event, 0 when there is none."""
        return self._dropped + len(self._events)

    def append(self, event: RunEvent) -> None:
        """Add an event and wake those who wait for one."""
        encoded = self._encode(self.last_offset + 1, time.time_ns(), event)
        self._events.append(encoded)
        self.size_bytes += len(encoded)
        if self.size_bytes > self._max_bytes:
            self._drop_oldest()
        self._wake()

    def close(self) -> None:
        """Say that no event follows."""
        self._is_closed = True
        self._wake()

    def discard(self) -> None:
        """Forget all events; readers who are behind are told."""
        self._dropped = self.last_offset
        self._events.clear()
        self.size_bytes = 0
        self._wake()

    async def follow(self, after_offset: int) -> AsyncGenerator[bytes]:
        """Give the events after an offset, and new ones until the log is closed.

        What is there already is given joined, up to 128 events at once.

        Raises EventsDroppedError when one of them is no longer kept.
        """
        offset = after_offset
        while True:
            while offset < self.last_offset:
                if offset < self._dropped:
                    raise EventsDroppedError(
                        f"events after {offset} are gone, the oldest kept is"
                        f" {self._dropped + 1}"
                    )
                begin = offset - self._dropped
                unread = self._events[begin : begin + _READ_LIMIT]
                offset += len(unread)
                # Before it is given: who has the end often hangs up at once.
                self.is_read |= self._is_closed and offset == self.last_offset
                yield b"".join(unread)
            if self._is_closed:
                self.is_read = True
                return
            await self._next_change()

    async def _next_change(self) -> None:
        change = asyncio.get_running_loop().create_future()
        self._waiting.append(change)
        await change

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for change in waiting:
            if not change.done():
                change.set_result(None)

    def _drop_oldest(self) -> None:
        # A quarter at once, so that dropping costs little per event. The newest
        # event always stays: it may be the terminal one.
        target = self._max_bytes * 3 // 4
        count = 0
        while self.size_bytes > target and count < len(self._events) - 1:
            self.size_bytes -= len(self._events[count])
            count += 1
        del self._events[:count]
        self._dropped += count
