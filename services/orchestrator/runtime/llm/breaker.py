"""Spares a provider that is down, and founders the wait for it."""

import asyncio
from typing import Final

from services.orchestrator.errors import LLMError, LLMTimeoutError, LLMUnavailableError

__all__ = ["CircuitBreaker"]

FAILURES: Final = 5
"""In a row, of whichever runs, before calls are refused."""
_FIRST_SECONDS: Final = 5.0
_MOST_SECONDS: Final = 60.0


class CircuitBreaker:
    """Refuses calls for a while after failures in a row, then lets one try.

    Only what says that the provider is not there counts: no connection, a 5xx, no
    word in time. A refusal (of the key, the rate, the length) is an answer.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._failures = 0
        self._open_seconds = 0.0
        self._open_until = 0.0
        self._is_trying = False

    def check(self) -> None:
        """Let a call pass.

        Raises:
            LLMUnavailableError: Not now; it says when.

        """
        if self._failures < FAILURES:
            return
        left = self._open_until - asyncio.get_running_loop().time()
        if left > 0 or self._is_trying:
            raise LLMUnavailableError(
                f"the provider of {self._model!r} is not answering just now",
                retry_after_ms=round(max(left, 1.0) * 1000),
            )
        self._is_trying = True

    def note_answer(self) -> None:
        """The provider answered, be it with a refusal."""
        self._failures = 0
        self._open_seconds = 0.0
        self._is_trying = False

    def note_failure(self, error: LLMError) -> None:
        """Count a failed call; enough of them in a row open the circuit."""
        if not isinstance(error, LLMUnavailableError | LLMTimeoutError):
            self.note_answer()
            return
        self._failures += 1
        if self._failures < FAILURES:
            return
        if self._is_trying or not self._open_seconds:
            doubled = self._open_seconds * 2 or _FIRST_SECONDS
            self._open_seconds = min(doubled, _MOST_SECONDS)
            now = asyncio.get_running_loop().time()
            self._open_until = now + self._open_seconds
        self._is_trying = False

    def note_cancel(self) -> None:
        """The caller left; whether the provider is there remains open."""
        self._is_trying = False
