"""Compaction: what the rows tell as well leaves the log, up to a watermark.

The deltas of a run go together, a while after it ended. What a call does is bounded
by its limit and by one run, so that no commit waits long behind it.
"""

import sqlite3

from sqlalchemy import delete, func, select, update

from services.api_gateway.store_sql.log import Tx, session_stream, timestamp
from services.api_gateway.store_sql.models import events, runs, streams
from services.api_gateway.store_sql.statements import Statement, fixed, given

__all__ = ["compact"]

_FOUNDER_EVENTS_KEPT = 1_000
_RUNS_AT_ONCE = 64

_ENDED_RUNS = Statement(
    select(runs.c.run_id, runs.c.session_id)
    .where(runs.c.is_compacted == fixed(0), runs.c.ended_at < given("before"))
    .order_by(runs.c.ended_at)
    .limit(_RUNS_AT_ONCE)
)
_DELTAS_OF_RUN = (
    events.c.run_id == given("run_id"),
    events.c.run_offset.is_not(None),
    events.c.type == "message.delta",
)
_LAST_DELTA = Statement(select(func.max(events.c.seq)).where(*_DELTAS_OF_RUN))
_DROP_DELTAS = Statement(delete(events).where(*_DELTAS_OF_RUN))
_DROP_BELOW = Statement(
    delete(events).where(
        events.c.stream == given("stream"), events.c.seq <= given("through")
    )
)
_RAISE_WATERMARK = Statement(
    update(streams)
    .where(
        streams.c.stream == given("of_stream"),
        streams.c.compacted_through < given("through"),
    )
    .values(compacted_through=given("through"))
)
_MARK_RUN = Statement(
    update(runs).where(runs.c.run_id == given("of_run")).values(is_compacted=True)
)
_LONG_FOUNDER_STREAMS = Statement(
    select(streams.c.stream, streams.c.last_seq, streams.c.compacted_through)
    .where(
        streams.c.kind == fixed("founder"),
        streams.c.last_seq - streams.c.compacted_through > _FOUNDER_EVENTS_KEPT,
    )
    .limit(_RUNS_AT_ONCE)
)


def compact(tx: Tx, *, older_than_seconds: int, limit: int) -> int:
    """Compact runs that ended that long ago and long founder streams.

    Returns how many events were dropped: whole runs until at least `limit` went,
    so that fewer mean that nothing is left to do for now.
    """
    before = timestamp(tx.now_ms / 1000 - older_than_seconds)
    dropped = 0
    while dropped < limit and (rows := tx.all(_ENDED_RUNS, before=before)):
        for row in rows:
            dropped += _compact_run(tx, row)
            if dropped >= limit:
                return dropped
    for row in tx.all(_LONG_FOUNDER_STREAMS):
        if dropped >= limit:
            break
        most = row["compacted_through"] + limit - dropped
        through = min(row["last_seq"] - _FOUNDER_EVENTS_KEPT, most)
        dropped += tx.change(_DROP_BELOW, stream=row["stream"], through=through)
        tx.change(_RAISE_WATERMARK, of_stream=row["stream"], through=through)
    return dropped


def _compact_run(tx: Tx, run: sqlite3.Row) -> int:
    run_id = run["run_id"]
    last_delta = tx.value(_LAST_DELTA, run_id=run_id)
    tx.change(_MARK_RUN, of_run=run_id)
    if last_delta is None:
        return 0
    stream = session_stream(run["session_id"])
    tx.change(_RAISE_WATERMARK, of_stream=stream, through=last_delta)
    return tx.change(_DROP_DELTAS, run_id=run_id)
