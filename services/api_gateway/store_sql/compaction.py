"""Compaction: what the rows tell as well leaves the log, up to a watermark."""

from sqlalchemy import and_, delete, exists, func, select, update

from services.api_gateway.store_sql.log import Tx, session_stream, timestamp
from services.api_gateway.store_sql.models import events, runs, streams
from services.api_gateway.store_sql.statements import Statement, fixed, given

__all__ = ["compact"]

_FOUNDER_EVENTS_KEPT = 1_000

_other = runs.alias("other")
_IDLE_SESSIONS = Statement(
    select(runs.c.session_id)
    .where(
        runs.c.is_compacted == fixed(0),
        runs.c.ended_at < given("before"),
        ~exists().where(
            and_(
                _other.c.session_id == runs.c.session_id,
                func.coalesce(_other.c.ended_at, "~") >= given("before"),
            )
        ),
    )
    .order_by(runs.c.ended_at)
    .limit(given("limit"))
)
_LAST_DELTA = Statement(
    select(func.max(events.c.seq)).where(
        events.c.stream == given("stream"), events.c.type == "message.delta"
    )
)
_DROP_DELTAS = Statement(
    delete(events).where(
        events.c.stream == given("stream"), events.c.type == "message.delta"
    )
)
_DROP_BELOW = Statement(
    delete(events).where(
        events.c.stream == given("stream"), events.c.seq <= given("through")
    )
)
_SET_WATERMARK = Statement(
    update(streams)
    .where(streams.c.stream == given("of_stream"))
    .values(compacted_through=given("through"))
)
_MARK_RUNS = Statement(
    update(runs)
    .where(runs.c.session_id == given("of_session"))
    .values(is_compacted=True)
)
_LONG_FOUNDER_STREAMS = Statement(
    select(streams.c.stream, streams.c.last_seq)
    .where(
        streams.c.kind == fixed("founder"),
        streams.c.last_seq - streams.c.compacted_through > _FOUNDER_EVENTS_KEPT,
    )
    .limit(given("limit"))
)


def compact(tx: Tx, *, older_than_seconds: int, limit: int) -> int:
    """Compact idle sessions and long founder streams; returns events dropped.

    A session counts as idle once all its runs ended that long ago. Whole streams
    are done until at least `limit` events went, so a call may drop some more.
    """
    before = timestamp(tx.now_ms / 1000 - older_than_seconds)
    dropped = 0
    for row in tx.all(_IDLE_SESSIONS, before=before, limit=limit):
        if dropped >= limit:
            return dropped
        dropped += _compact_session(tx, row["session_id"])
    for row in tx.all(_LONG_FOUNDER_STREAMS, limit=limit):
        if dropped >= limit:
            return dropped
        through = row["last_seq"] - _FOUNDER_EVENTS_KEPT
        dropped += tx.change(_DROP_BELOW, stream=row["stream"], through=through)
        tx.change(_SET_WATERMARK, of_stream=row["stream"], through=through)
    return dropped


def _compact_session(tx: Tx, session_id: str) -> int:
    stream = session_stream(session_id)
    last_delta = tx.value(_LAST_DELTA, stream=stream)
    tx.change(_MARK_RUNS, of_session=session_id)
    if last_delta is None:
        return 0
    tx.change(_SET_WATERMARK, of_stream=stream, through=last_delta)
    return tx.change(_DROP_DELTAS, stream=stream)
