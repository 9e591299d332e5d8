"""One shape for every failure a person or a program is told about."""

from enum import StrEnum
from typing import ClassVar

__all__ = ["ErrorKind", "VentureBotsError"]


class ErrorKind(StrEnum):
    """What sort of failure it is; each edge maps it to its own status."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    PRECONDITION = "precondition"
    EXHAUSTED = "exhausted"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class VentureBotsError(Exception):
    """A typed failure.

    Subclasses set `kind`, `code` (stable, snake_case) and `retryable`; `detail`
    says what happened, to which id, and what to do.
    """

    kind: ClassVar[ErrorKind] = ErrorKind.INTERNAL
    code: str = "internal"
    retryable: bool = False

    def __init__(self, detail: str, *, retry_after_ms: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_ms = retry_after_ms
