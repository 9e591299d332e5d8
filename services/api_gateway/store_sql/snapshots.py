"""A stream's log after a cursor, and its state in one view."""

from sqlalchemy import select

from services.api_gateway.errors import StreamUnknownError
from services.api_gateway.store import LogPage, Snapshot
from services.api_gateway.store_sql import messages, runs, sessions
from services.api_gateway.store_sql.log import logged_event
from services.api_gateway.store_sql.models import events, streams
from services.api_gateway.store_sql.statements import Reading, Statement, given
from services.api_gateway.wire.frames import FounderSnapshot, SessionSnapshot

__all__ = ["log_page", "take"]

_SHOWN = 50

_STREAM = Statement(select(streams).where(streams.c.stream == given("stream")))
_EVENTS = Statement(
    select(events)
    .where(events.c.stream == given("stream"), events.c.seq > given("after_seq"))
    .order_by(events.c.seq)
    .limit(given("limit"))
)


def log_page(reading: Reading, stream: str, after_seq: int, limit: int) -> LogPage:
    """Events after a cursor; none when the cursor is below the watermark."""
    row = reading.one(_STREAM, stream=stream)
    if row is None:
        return LogPage((), 0, 0)
    last_seq, compacted_through = row["last_seq"], row["compacted_through"]
    if after_seq < compacted_through:
        return LogPage((), last_seq, compacted_through)
    found = tuple(
        logged_event(
            stream=stream,
            seq=event["seq"],
            ts=event["ts"],
            event_type=event["type"],
            run_id=event["run_id"],
            data=event["data"],
        )
        for event in reading.all(
            _EVENTS, stream=stream, after_seq=after_seq, limit=limit
        )
    )
    return LogPage(found, last_seq, compacted_through)


def take(reading: Reading, stream: str) -> Snapshot:
    """The stream's state; raises `StreamUnknownError`."""
    row = reading.one(_STREAM, stream=stream)
    if row is None:
        raise StreamUnknownError(f"there is no stream {stream}")
    kind, _, owner_id = stream.partition(":")
    data = (
        _session(reading, row["founder_id"], owner_id)
        if kind == "session"
        else _founder(reading, owner_id)
    )
    return Snapshot(stream, row["last_seq"], data)


def _session(reading: Reading, founder_id: str, session_id: str) -> SessionSnapshot:
    shown, has_more = messages.last_messages(reading, session_id, _SHOWN)
    return SessionSnapshot(
        session=sessions.find(reading, founder_id, session_id),
        messages=shown,
        has_more=has_more,
        runs=runs.shown_in_session(reading, session_id),
    )


def _founder(reading: Reading, founder_id: str) -> FounderSnapshot:
    page = sessions.page(
        reading,
        founder_id,
        cursor=None,
        limit=_SHOWN,
        is_archived=False,
        title_query=None,
    )
    return FounderSnapshot(sessions=page.sessions, next_cursor=page.next_cursor)
