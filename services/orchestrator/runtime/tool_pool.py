"""Threads for tools, of which some may never come back."""

import asyncio
import contextvars
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from services.orchestrator.errors import ToolsStuckError

__all__ = ["ToolPool"]


class ToolPool:
    """A bounded pool whose calls are left behind when their time is up.

    A thread cannot be stopped, so a tool that hangs keeps its own. What hangs is
    counted: a tool that holds a quarter of the pool is called no more until some
    of its threads return, and none is called while three quarters hang.
    """

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="tool")
        self._stuck: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._most_stuck = max(1, threads * 3 // 4)
        self._most_stuck_of_one = max(1, threads // 4)

    @property
    def stuck_threads(self) -> int:
        """How many threads work for nobody."""
        return self._stuck.total()

    async def run[T](
        self, tool: str, call: Callable[[], T], *, timeout_seconds: float
    ) -> T:
        """Call a tool in a thread, with a copy of this context.

        Raises:
            TimeoutError: It gave no answer in time.
            ToolsStuckError: Too many threads hang to begin another.

        """
        if (
            self._stuck[tool] >= self._most_stuck_of_one
            or self.stuck_threads >= self._most_stuck
        ):
            raise ToolsStuckError(f"{self.stuck_threads} threads of tools hang")
        context = contextvars.copy_context()
        running = self._executor.submit(context.run, call)
        try:
            # Shielded: what a thread returns too late is nobody's.
            waiting = asyncio.shield(asyncio.wrap_future(running))
            return await asyncio.wait_for(waiting, timeout_seconds)
        finally:
            if not running.done() and not running.cancel():
                self._leave_behind(tool, running)

    def close(self) -> None:
        """Take no more calls; threads that hang are not waited for."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _leave_behind(self, tool: str, running: Future[Any]) -> None:
        with self._lock:
            self._stuck[tool] += 1
        running.add_done_callback(lambda _: self._return(tool))

    def _return(self, tool: str) -> None:
        with self._lock:
            self._stuck[tool] -= 1
