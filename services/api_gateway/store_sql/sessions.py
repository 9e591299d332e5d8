"""Sessions: created, renamed, archived, pinned, deleted and paged through."""

import base64
import binascii
import sqlite3
from dataclasses import replace
from uuid import uuid4

from sqlalchemy import delete, func, insert, null, select, tuple_, update

from services.api_gateway.errors import InvalidCommandError, SessionUnknownError
from services.api_gateway.store import (
    CommandKey,
    DeletedSession,
    NewSession,
    SessionResult,
)
from services.api_gateway.store_sql import requests, run_queue, search_index
from services.api_gateway.store_sql.founders import INSERT_STREAM
from services.api_gateway.store_sql.log import (
    STREAM_PREFIX,
    Tx,
    founder_stream,
    session_stream,
)
from services.api_gateway.store_sql.models import (
    events,
    messages,
    run_steps,
    runs,
    sessions,
    streams,
)
from services.api_gateway.store_sql.statements import Reading, Statement, given
from services.api_gateway.wire.views import (
    BranchedFrom,
    RunTrigger,
    SessionPage,
    SessionView,
)

__all__ = [
    "begin",
    "create",
    "delete_session",
    "find",
    "page",
    "require",
    "tell_update",
    "update_session",
]

_SESSION = select(sessions, streams.c.last_seq).join(
    streams, streams.c.stream == STREAM_PREFIX + sessions.c.session_id
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
        tuple_(sessions.c.is_pinned, sessions.c.updated_at, sessions.c.session_id)
        < tuple_(
            given("before_pinned"),
            given("before_updated_at"),
            given("before_session_id"),
        ),
        func.instr(sessions.c.title_folded, given("title_query")) > 0,
    )
    .order_by(
        sessions.c.is_pinned.desc(),
        sessions.c.updated_at.desc(),
        sessions.c.session_id.desc(),
    )
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
        is_pinned=given("is_pinned"),
        updated_at=given("updated_at"),
    )
)
_BRANCHES = Statement(
    select(sessions.c.session_id).where(
        sessions.c.branched_from_session == given("session_id")
    )
)
_FORGET_ORIGIN = Statement(
    update(sessions)
    .where(sessions.c.branched_from_session == given("session_id"))
    .values(branched_from_session=null(), branched_from_message=null())
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
_AFTER_ALL = (2, "~", "~")  # sorts after every flag, timestamp and id


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
    """Sessions from a cursor on: pinned ones, then the others, the last used first."""
    is_pinned, updated_at, session_id = _decode(cursor) if cursor else _AFTER_ALL
    rows = reading.all(
        _PAGE,
        founder_id=founder_id,
        is_archived=is_archived,
        before_pinned=is_pinned,
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
    session_id = begin(tx, key.founder_id, new.title or "")
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


def begin(
    tx: Tx, founder_id: str, title: str, branched_from: BranchedFrom | None = None
) -> str:
    """An empty session with its stream, told to the founder; returns its id."""
    session_id = str(uuid4())
    tx.change(
        _INSERT,
        number=None,
        session_id=session_id,
        founder_id=founder_id,
        title="",
        title_folded="",
        is_archived=False,
        is_pinned=False,
        created_at=tx.now,
        updated_at=tx.now,
        branched_from_session=branched_from and branched_from.session_id,
        branched_from_message=branched_from and branched_from.message_id,
        branched_left_out=branched_from and branched_from.left_out,
        summary_text=None,
        summary_upto_seq=None,
    )
    tx.change(
        INSERT_STREAM,
        stream=session_stream(session_id),
        founder_id=founder_id,
        kind="session",
        last_seq=0,
        compacted_through=0,
    )
    if title:
        _write(tx, require(tx, founder_id, session_id), title=title)
    _tell(tx, founder_id, session_id, "session.created", in_session=True)
    return session_id


def update_session(
    tx: Tx,
    key: CommandKey,
    session_id: str,
    *,
    title: str | None,
    is_archived: bool | None,
    is_pinned: bool | None,
) -> SessionResult:
    """Rename, archive or pin; what is None stays."""
    if (first := requests.recall(tx, key)) is not None:
        return SessionResult(
            session=SessionView.model_validate(first["session"]),
            seq=first["seq"],
            is_repeat=True,
        )
    before = require(tx, key.founder_id, session_id)
    _write(tx, before, title=title, is_archived=is_archived, is_pinned=is_pinned)
    view = find(tx, key.founder_id, session_id)
    if view != _view(before):
        _tell(tx, key.founder_id, session_id, "session.updated", in_session=True)
        view = find(tx, key.founder_id, session_id)
    requests.remember(
        tx, key, session_id, {"session": view.model_dump(), "seq": view.last_seq}
    )
    return SessionResult(session=view, seq=view.last_seq)


def tell_update(tx: Tx, session: sqlite3.Row, title: str) -> None:
    """The session was used just now, and perhaps named by its first message."""
    _write(tx, session, title=title, updated_at=tx.now)
    _tell(
        tx,
        session["founder_id"],
        session["session_id"],
        "session.updated",
        in_session=title != session["title"],
    )


def delete_session(tx: Tx, key: CommandKey, session_id: str) -> DeletedSession:
    """The session and all of it; its stream ends. Once it is gone, it is gone."""
    gone = replace(key, route="session.gone", request_id=session_id, body_digest="")
    for request in (key, gone):
        if (first := requests.recall(tx, request)) is not None:
            return DeletedSession(session_id, first["founder_seq"])
    require(tx, key.founder_id, session_id)
    active = run_queue.active_in_session(tx, session_id)
    stream = session_stream(session_id)
    search_index.drop_session(tx, session_id)
    for statement in _DELETES:
        tx.change(statement, session_id=session_id, stream=stream)
    requests.forget_session(tx, session_id)
    _forget_origin(tx, key.founder_id, session_id)
    founder_seq = tx.append(
        founder_stream(key.founder_id), "session.deleted", {"session_id": session_id}
    )
    tx.ended_streams.append(stream)
    for request in (key, gone):
        requests.remember(tx, request, session_id, {"founder_seq": founder_seq})
    return DeletedSession(session_id, founder_seq, active)


def _forget_origin(tx: Tx, founder_id: str, session_id: str) -> None:
    """Let branches of a deleted session stand on their own."""
    branches = tx.all(_BRANCHES, session_id=session_id)
    tx.change(_FORGET_ORIGIN, session_id=session_id)
    for branch in branches:
        _tell(tx, founder_id, branch["session_id"], "session.updated", in_session=True)


def _write(
    tx: Tx,
    session: sqlite3.Row,
    *,
    title: str | None = None,
    is_archived: bool | None = None,
    is_pinned: bool | None = None,
    updated_at: str | None = None,
) -> None:
    """Write what is not None, and keep the search index in step."""
    if title is not None and title != session["title"]:
        search_index.change_title(tx, session["session_id"], title)
    title = session["title"] if title is None else title
    tx.change(
        _UPDATE,
        of_session=session["session_id"],
        title=title,
        title_folded=title.casefold(),
        is_archived=session["is_archived"] if is_archived is None else is_archived,
        is_pinned=session["is_pinned"] if is_pinned is None else is_pinned,
        updated_at=updated_at or session["updated_at"],
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
        pinned=bool(row["is_pinned"]),
        branched_from=_branched_from(row),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        stream=session_stream(row["session_id"]),
        last_seq=row["last_seq"],
    )


def _branched_from(row: sqlite3.Row) -> BranchedFrom | None:
    if row["branched_from_session"] is None:
        return None
    return BranchedFrom(
        session_id=row["branched_from_session"],
        message_id=row["branched_from_message"],
        left_out=row["branched_left_out"],
    )


def _encode(row: sqlite3.Row) -> str:
    text = f"{row['is_pinned']}|{row['updated_at']}|{row['session_id']}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[int, str, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        is_pinned, updated_at, session_id = text.split("|")
        return ("0", "1").index(is_pinned), updated_at, session_id
    except (binascii.Error, ValueError):
        raise InvalidCommandError(
            "cursor: not one this list gave; begin without a cursor"
        ) from None
