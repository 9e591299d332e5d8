"""A provider's refusals as typed errors; never with its text or our key."""

import contextlib
import email.utils
import json
import math
import time

from services.orchestrator.errors import (
    LLMContextExceededError,
    LLMError,
    LLMRateLimitedError,
    LLMUnauthorizedError,
    LLMUnavailableError,
)

__all__ = [
    "error_from_event",
    "error_from_status",
    "is_worth_a_retry",
    "retry_after_ms",
]

_CONTEXT_MARKERS = (
    "context_length",
    "context length",
    "context window",
    "context size",
    "maximum context",
    "prompt is too long",
    "too many tokens",
    "exceeds the available context",
)
_RETRIED_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_LONGEST_WAIT_SECONDS = 30 * 24 * 3600.0
_UNAUTHORIZED, _FORBIDDEN, _TOO_MANY = 401, 403, 429
_CLIENT_ERRORS = range(400, 500)


def error_from_status(
    model: str, status: int, body: bytes, retry_after: str | None
) -> LLMError:
    """The error an HTTP status and its body stand for."""
    if status in {_UNAUTHORIZED, _FORBIDDEN}:
        return LLMUnauthorizedError(f"the provider of {model!r} refused the key")
    if status == _TOO_MANY:
        return LLMRateLimitedError(
            f"the provider of {model!r} asks to slow down",
            retry_after_ms=retry_after_ms(retry_after),
        )
    text = body.decode("utf-8", "replace").casefold()
    if status in _CLIENT_ERRORS and _speaks_of_context(text):
        return _context_exceeded(model)
    return LLMUnavailableError(
        f"the provider of {model!r} answered with status {status}",
        retry_after_ms=retry_after_ms(retry_after),
    )


def error_from_event(model: str, error: object) -> LLMError:
    """The error that was sent inside a stream."""
    text = json.dumps(error).casefold()
    if _speaks_of_context(text):
        return _context_exceeded(model)
    if "rate_limit" in text or "429" in text:
        return LLMRateLimitedError(f"the provider of {model!r} asks to slow down")
    return LLMUnavailableError(f"the provider of {model!r} failed while it answered")


def is_worth_a_retry(status: int) -> bool:
    """Whether the same request may do better a moment later."""
    return status in _RETRIED_STATUSES


def retry_after_ms(header: str | None) -> int | None:
    """A Retry-After header, in seconds or as a date, in milliseconds from now."""
    seconds = math.nan
    if header:
        with contextlib.suppress(ValueError, OverflowError):
            moment = email.utils.parsedate_to_datetime(header).timestamp()
            seconds = moment - time.time()
        with contextlib.suppress(ValueError):
            seconds = float(header)
    if math.isnan(seconds):
        return None
    return round(min(max(0.0, seconds), _LONGEST_WAIT_SECONDS) * 1000)


def _speaks_of_context(text: str) -> bool:
    return any(marker in text for marker in _CONTEXT_MARKERS)


def _context_exceeded(model: str) -> LLMContextExceededError:
    return LLMContextExceededError(
        f"the conversation does not fit the window of {model!r}"
    )
