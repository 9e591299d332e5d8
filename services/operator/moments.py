"""Moments as they stand in a status: RFC 3339 in UTC."""

from datetime import UTC, datetime

__all__ = ["exact_moment", "moment", "read_moment"]


def moment(at: datetime) -> str:
    """Write a moment to the second, as Kubernetes does: "2026-05-01T08:00:00Z"."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def exact_moment(at: datetime) -> str:
    """Write a moment to the microsecond: what is waited for is counted from it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read_moment(text: str) -> datetime | None:
    """Read a moment; None for what is none, such as one that has not come."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
