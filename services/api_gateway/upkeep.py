"""Keeps the store small: old deltas and old answers go, a little at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog

from libs.errors import VentureBotsError
from services.api_gateway.config import RetentionSettings
from services.api_gateway.store import Store

__all__ = ["keep_up"]

_logger = structlog.get_logger(__name__)

_HOUR_SECONDS = 3600
_DAY_SECONDS = 24 * _HOUR_SECONDS
_COMPACT_EVENTS = 200
"""At once: commits of founders wait behind it."""
_BREATH_SECONDS = 0.05
"""Between two times, so that commits of founders go first."""


@asynccontextmanager
async def keep_up(store: Store, retention: RetentionSettings) -> AsyncIterator[None]:
    """Sweep at intervals for as long as the block lasts."""
    task = asyncio.create_task(_sweep_forever(store, retention))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _sweep_forever(store: Store, retention: RetentionSettings) -> None:
    while True:
        await asyncio.sleep(retention.sweep_seconds)
        try:
            compacted = await _compact(store, retention)
            forgotten = await store.forget_requests(
                older_than_seconds=int(retention.requests_days * _DAY_SECONDS)
            )
        except VentureBotsError as error:
            _logger.warning("upkeep put off", code=error.code)
        except Exception:  # nobody else would sweep again
            _logger.exception("upkeep put off")
        else:
            _logger.debug("upkeep done", compacted=compacted, forgotten=forgotten)


async def _compact(store: Store, retention: RetentionSettings) -> int:
    """Drop all that is old enough; returns how many events went."""
    total = 0
    while True:
        dropped = await store.compact(
            older_than_seconds=int(retention.deltas_hours * _HOUR_SECONDS),
            limit=_COMPACT_EVENTS,
        )
        total += dropped
        if dropped < _COMPACT_EVENTS:
            return total
        await asyncio.sleep(_BREATH_SECONDS)
