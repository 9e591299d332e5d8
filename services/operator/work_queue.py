"""What waits to be looked at: each key once, later after failures, never by two."""

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Hashable
from typing import Final

__all__ = ["WorkQueue"]

_FIRST_DELAY_SECONDS: Final = 1.0
_LONGEST_DELAY_SECONDS: Final = 300.0
_JITTER: Final = 0.2


class WorkQueue[K: Hashable]:
    """Keys in the order in which they came.

    A key that is added while it waits waits once; one that is added while it is
    worked on is handed out again afterwards. Use it in one event loop.
    """

    def __init__(self) -> None:
        self._waiting: deque[K] = deque()
        self._is_waiting: set[K] = set()
        self._worked_on: set[K] = set()
        self._again: set[K] = set()
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._count = 0
        self._failures: dict[K, int] = {}
        self._news = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Count the keys that a worker could take now."""
        return len(self._waiting) + len(self._again)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nobody works; delayed keys do not count."""
        return not (self._waiting or self._again or self._worked_on)

    def add(self, key: K) -> None:
        """Hand out a key as soon as a worker is free, whatever delay it had."""
        self._due.pop(key, None)
        if key in self._worked_on:
            self._again.add(key)
        elif key not in self._is_waiting:
            self._is_waiting.add(key)
            self._waiting.append(key)
            self._news.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Hand out a key after a time, or earlier when it is due earlier."""
        if key in self._is_waiting or key in self._again:
            return
        due = self._now() + seconds
        if self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, key))
        self._set_timer()

    def retry(self, key: K) -> float:
        """Hand out a key that failed after its back-off, which is returned."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        longest = min(
            _FIRST_DELAY_SECONDS * (1 << min(failures, 20)), _LONGEST_DELAY_SECONDS
        )
        delay = longest * random.uniform(1 - _JITTER, 1)  # noqa: S311 - no secret
        self.add_after(key, delay)
        return delay

    def succeeded(self, key: K) -> None:
        """Forget a key's failures."""
        self._failures.pop(key, None)

    async def take(self) -> K:
        """Wait for a key; give it back with `done`."""
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        key = self._waiting.popleft()
        self._is_waiting.discard(key)
        self._worked_on.add(key)
        return key

    def done(self, key: K) -> None:
        """Say that nobody works on a key any more."""
        self._worked_on.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def clear(self) -> None:
        """Forget all that waits and all failures."""
        self._waiting.clear()
        self._is_waiting.clear()
        self._again.clear()
        self._due.clear()
        self._heap.clear()
        self._failures.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hand_out_due(self) -> None:
        self._timer = None
        now = self._now()
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            # Delays that were shortened or taken back leave an entry behind.
            if self._due.get(key) == due:
                self.add(key)
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._heap[0][0], self._hand_out_due)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
