"""Sessions: created, renamed, archived, deleted and paged through."""

import base64
import binascii
import sqlite3
from uuid import uuid4

from sqlalchemy import delete, func, insert, select, tuple_, update

from services.api_gateway.errors import InvalidCommandError, SessionUnknownError
from services.api_gateway.store import (
    CommandKey,
    DeletedSession,
    NewSession,
    SessionResult,
)
from services.api_gateway.store_sql import requests, run_queue
from services.api_gateway.store_sql.founders import INSERT_STREAM
from services.api_gateway.store_sql.log import Tx, founder_stream, session_stream
from services.api_gateway.store_sql.models import (
    events,
    messages,
    run_steps,
    runs,
    sessions,
    streams,
)
from services.api_gateway.store_sql.statements import Reading, Statement, given
from services.api_gateway.wire.views import RunTrigger, SessionPage, SessionView

__all__ = [
    "create",
    "delete_session",
    "find",
    "page",
    "require",
    "tell_update",
    "update_session",
]

_SESSION = select(sessions, streams.c.last_seq).join(
    streams, streams.c.stream == "session:" + sessions.c.session_id
)
_FIND = Statement(
    _SESSION.where(
        sessions.c.session_id == given("session_id"),
        sessions.c.founder_id == given("founder_id"),
    )
)
_PAGE = Statement(
    _SESSION.where(
        sessions.c.founder_id == given("founder_id"),
        sessions.c.is_archived == given("is_archived"),
        tuple_(sessions.c.updated_at, sessions.c.session_id)
        < tuple_(given("before_updated_at"), given("before_session_id")),
        func.instr(sessions.c.title_folded, given("title_query")) > 0,
    )
    .order_by(sessions.c.updated_at.desc(), sessions.c.session_id.desc())
    .limit(given("limit"))
)
_INSERT = Statement(insert(sessions))
_UPDATE = Statement(
    update(sessions)
    .where(sessions.c.session_id == given("of_session"))
    .values(
        title=given("title"),
        title_folded=given("title_folded"),
        is_archived=given("is_archived"),
        updated_at=given("updated_at"),
    )
)
_DELETES = tuple(
    Statement(clause)
    for clause in (
        delete(events).where(events.c.stream == given("stream")),
        delete(streams).where(streams.c.stream == given("stream")),
        delete(messages).where(messages.c.session_id == given("session_id")),
        delete(run_steps).where(
            run_steps.c.run_id.in_(
                select(runs.c.run_id).where(runs.c.session_id == given("session_id"))
            )
        ),
        delete(runs).where(runs.c.session_id == given("session_id")),
        delete(sessions).where(sessions.c.session_id == given("session_id")),
    )
)
_AFTER_ALL = "~"  # sorts after every timestamp and id


def require(reading: Reading, founder_id: str, session_id: str) -> sqlite3.Row:
    """The founder's session with its last seq; raises `SessionUnknownError`."""
    row = reading.one(_FIND, session_id=session_id, founder_id=founder_id)
    if row is None:
        raise SessionUnknownError(f"there is no session {session_id}")
    return row


def find(reading: Reading, founder_id: str, session_id: str) -> SessionView:
    """One session; raises `SessionUnknownError`."""
    return _view(require(reading, founder_id, session_id))


def page(
    reading: Reading,
    founder_id: str,
    *,
    cursor: str | None,
    limit: int,
    is_archived: bool,
    title_query: str | None,
) -> SessionPage:
    """Sessions from a cursor on, the last used first."""
    updated_at, session_id = _decode(cursor) if cursor else (_AFTER_ALL, _AFTER_ALL)
    rows = reading.all(
        _PAGE,
        founder_id=founder_id,
        is_archived=is_archived,
        before_updated_at=updated_at,
        before_session_id=session_id,
        title_query=(title_query or "").casefold(),
        limit=limit + 1,
    )
    shown = rows[:limit]
    has_more = len(rows) > limit
    return SessionPage(
        sessions=[_view(row) for row in shown],
        next_cursor=_encode(shown[-1]) if shown and has_more else None,
    )


def create(tx: Tx, key: CommandKey, new: NewSession) -> SessionResult:
    """A session, its stream and, unless told otherwise, its opening run."""
    if (first := requests.recall(tx, key)) is not None:
        return SessionResult(
            session=SessionView.model_validate(first["session"]),
            seq=first["seq"],
            run_id=first["run_id"],
            is_repeat=True,
        )
    session_id = str(uuid4())
    stream = session_stream(session_id)
    title = new.title or ""
    tx.change(
        _INSERT,
        session_id=session_id,
        founder_id=key.founder_id,
        title=title,
        title_folded=title.casefold(),
        is_archived=False,
        created_at=tx.now,
        updated_at=tx.now,
        summary_text=None,
        summary_upto_seq=None,
    )
    tx.change(
        INSERT_STREAM,
        stream=stream,
        founder_id=key.founder_id,
        kind="session",
        last_seq=0,
        compacted_through=0,
    )
    _tell(tx, key.founder_id, session_id, "session.created", in_session=True)
    run_id = None
    if new.has_opening:
        run = run_queue.NewRun(
            str(uuid4()), session_id, key.founder_id, RunTrigger.OPENING
        )
        run_queue.create(tx, run)
        run_id = run.run_id
    view = find(tx, key.founder_id, session_id)
    result = SessionResult(session=view, seq=view.last_seq, run_id=run_id)
    requests.remember(
        tx,
        key,
        session_id,
        {"session": view.model_dump(), "seq": result.seq, "run_id": run_id},
    )
    return result


def update_session(
    tx: Tx,
    key: CommandKey,
    session_id: str,
    *,
    title: str | None,
    is_archived: bool | None,
) -> SessionResult:
    """Rename or archive; what is None stays."""
    if (first := requests.recall(tx, key)) is not None:
        return SessionResult(
            session=SessionView.model_validate(first["session"]),
            seq=first["seq"],
            is_repeat=True,
        )
    before = require(tx, key.founder_id, session_id)
    new_title = before["title"] if title is None else title
    is_now_archived = (
        bool(before["is_archived"]) if is_archived is None else is_archived
    )
    if (new_title, is_now_archived) != (before["title"], bool(before["is_archived"])):
        _write(
            tx,
            before,
            title=new_title,
            is_archived=is_now_archived,
            updated_at=before["updated_at"],
        )
        _tell(tx, key.founder_id, session_id, "session.updated", in_session=True)
    view = find(tx, key.founder_id, session_id)
    requests.remember(
        tx, key, session_id, {"session": view.model_dump(), "seq": view.last_seq}
    )
    return SessionResult(session=view, seq=view.last_seq)


def tell_update(tx: Tx, session: sqlite3.Row, title: str) -> None:
    """The session was used just now, and perhaps named by its first message."""
    _write(
        tx,
        session,
        title=title,
        is_archived=bool(session["is_archived"]),
        updated_at=tx.now,
    )
    _tell(
        tx,
        session["founder_id"],
        session["session_id"],
        "session.updated",
        in_session=title != session["title"],
    )


def delete_session(tx: Tx, key: CommandKey, session_id: str) -> DeletedSession:
    """The session and all of it; its stream ends."""
    if (first := requests.recall(tx, key)) is not None:
        return DeletedSession(session_id, first["founder_seq"])
    require(tx, key.founder_id, session_id)
    active = run_queue.active_in_session(tx, session_id)
    stream = session_stream(session_id)
    for statement in _DELETES:
        tx.change(statement, session_id=session_id, stream=stream)
    requests.forget_session(tx, session_id)
    founder_seq = tx.append(
        founder_stream(key.founder_id), "session.deleted", {"session_id": session_id}
    )
    tx.ended_streams.append(stream)
    requests.remember(tx, key, session_id, {"founder_seq": founder_seq})
    return DeletedSession(session_id, founder_seq, active)


def _write(
    tx: Tx, session: sqlite3.Row, *, title: str, is_archived: bool, updated_at: str
) -> None:
    tx.change(
        _UPDATE,
        of_session=session["session_id"],
        title=title,
        title_folded=title.casefold(),
        is_archived=is_archived,
        updated_at=updated_at,
    )


def _tell(
    tx: Tx, founder_id: str, session_id: str, event_type: str, *, in_session: bool
) -> None:
    """Append the session as it is now, its own event counted in, to its streams."""
    view = find(tx, founder_id, session_id)
    if in_session:
        view = view.model_copy(update={"last_seq": view.last_seq + 1})
        tx.append(view.stream, event_type, {"session": view.model_dump()})
    tx.append(founder_stream(founder_id), event_type, {"session": view.model_dump()})


def _view(row: sqlite3.Row) -> SessionView:
    return SessionView(
        session_id=row["session_id"],
        title=row["title"],
        archived=bool(row["is_archived"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        stream=session_stream(row["session_id"]),
        last_seq=row["last_seq"],
    )


def _encode(row: sqlite3.Row) -> str:
    text = f"{row['updated_at']}|{row['session_id']}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[str, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        updated_at, session_id = text.split("|")
    except (binascii.Error, ValueError):
        raise InvalidCommandError(
            "cursor: not one this list gave; begin without a cursor"
        ) from None
    return updated_at, session_id
