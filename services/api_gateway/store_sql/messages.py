"""Messages: accepted, joined from their pieces, rated and paged through."""

import json
import sqlite3
from dataclasses import dataclass
from uuid import uuid4

import structlog
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import insert, select, update

from services.api_gateway.errors import (
    MessageUnknownError,
    NotRatableError,
    QueueFullError,
    SessionBusyError,
)
from services.api_gateway.store import CommandKey, WhenBusy
from services.api_gateway.store_sql import (
    requests,
    run_queue,
    search_index,
    sessions,
)
from services.api_gateway.store_sql.log import Tx, session_stream
from services.api_gateway.store_sql.models import events, messages
from services.api_gateway.store_sql.statements import Reading, Statement, given
from services.api_gateway.wire.views import (
    Accepted,
    FeedbackValue,
    MessagePage,
    MessageStatus,
    MessageView,
    Role,
    RunTrigger,
    Suggestion,
)

__all__ = [
    "INSERT",
    "Window",
    "accept",
    "joined_text",
    "last_messages",
    "page",
    "rate",
    "store",
]

log = structlog.get_logger(__name__)

INSERT = Statement(
    insert(messages).values(
        message_id=given("message_id"),
        session_id=given("session_id"),
        founder_id=given("founder_id"),
        run_id=given("run_id"),
        role=given("role"),
        text=given("text"),
        status=given("status"),
        seq=given("seq"),
        request_id=given("request_id"),
        agent=given("agent"),
        suggestions="[]",
        feedback=FeedbackValue.NONE.value,
        created_at=given("created_at"),
        finished_at=given("finished_at"),
    )
)
_OWNED = Statement(
    select(messages).where(
        messages.c.message_id == given("message_id"),
        messages.c.founder_id == given("founder_id"),
    )
)
_RATE = Statement(
    update(messages)
    .where(messages.c.message_id == given("of_message"))
    .values(feedback=given("value"), feedback_comment=given("comment"))
)
_OLDER = Statement(
    select(messages)
    .where(
        messages.c.session_id == given("session_id"), messages.c.seq < given("pivot")
    )
    .order_by(messages.c.seq.desc())
    .limit(given("limit"))
)
_NEWER = Statement(
    select(messages)
    .where(
        messages.c.session_id == given("session_id"), messages.c.seq >= given("pivot")
    )
    .order_by(messages.c.seq)
    .limit(given("limit"))
)
_DELTAS = Statement(
    select(events.c.data)
    .where(
        events.c.stream == given("stream"),
        events.c.seq > given("after_seq"),
        events.c.type == "message.delta",
    )
    .order_by(events.c.seq)
)
_SUGGESTIONS = TypeAdapter(list[Suggestion])
_NO_BOUND = 2**62
_TITLE_LENGTH = 60


def accept(
    tx: Tx,
    key: CommandKey,
    session_id: str,
    *,
    text: str,
    when_busy: WhenBusy,
    queue_limit: int,
) -> Accepted:
    """Store a founder's message and the run that will answer it."""
    if (first := requests.recall(tx, key)) is not None:
        return Accepted.model_validate(first)
    session = sessions.require(tx, key.founder_id, session_id)
    _refuse_when_busy(tx, session_id, when_busy, queue_limit)
    accepted = store(tx, session, text=text, request_id=key.request_id)
    requests.remember(tx, key, session_id, accepted.model_dump())
    return accepted


def store(
    tx: Tx, session: sqlite3.Row, *, text: str, request_id: str | None
) -> Accepted:
    """Append a founder's message to a session and create the run for it."""
    session_id, founder_id = session["session_id"], session["founder_id"]
    message_id, run_id = str(uuid4()), str(uuid4())
    request_id = request_id or message_id
    seq = tx.append(
        session_stream(session_id),
        "message.accepted",
        {
            "message_id": message_id,
            "request_id": request_id,
            "text": text,
            "run_id": run_id,
        },
        run_id=run_id,
    )
    position = run_queue.create(
        tx,
        run_queue.NewRun(
            run_id, session_id, founder_id, RunTrigger.MESSAGE, message_id
        ),
    )
    tx.change(
        INSERT,
        message_id=message_id,
        session_id=session_id,
        founder_id=founder_id,
        run_id=run_id,
        role=Role.FOUNDER.value,
        text=text,
        status=MessageStatus.COMPLETE.value,
        seq=seq,
        request_id=request_id,
        agent=None,
        created_at=tx.now,
        finished_at=tx.now,
    )
    search_index.add_message(tx, message_id, founder_id, text)
    sessions.tell_update(tx, session, session["title"] or _title_of(text))
    return Accepted(message_id=message_id, seq=seq, run_id=run_id, position=position)


def rate(
    tx: Tx,
    key: CommandKey,
    message_id: str,
    *,
    value: FeedbackValue,
    comment: str | None,
) -> int:
    """Keep a founder's rating of a coach's message; returns the event's seq."""
    if (first := requests.recall(tx, key)) is not None:
        return int(first["seq"])
    message = tx.one(_OWNED, message_id=message_id, founder_id=key.founder_id)
    if message is None:
        raise MessageUnknownError(f"there is no message {message_id}")
    if message["role"] != Role.COACH.value:
        raise NotRatableError(f"message {message_id} is the founder's own")
    tx.change(_RATE, of_message=message_id, value=value.value, comment=comment)
    seq = tx.append(
        session_stream(message["session_id"]),
        "message.feedback",
        {"message_id": message_id, "value": value.value},
        run_id=message["run_id"],
    )
    requests.remember(tx, key, message["session_id"], {"seq": seq})
    return seq


@dataclass(frozen=True, slots=True)
class Window:
    """So many messages below a seq, and so many from it on."""

    pivot: int
    older: int
    newer: int

    @classmethod
    def of(
        cls,
        *,
        before_seq: int | None,
        around_seq: int | None,
        after_seq: int | None,
        limit: int,
    ) -> "Window":
        """The window of a request, which gives one seq or none."""
        if around_seq is not None:
            return cls(around_seq + 1, limit - limit // 2, limit // 2)
        if after_seq is not None:
            return cls(after_seq + 1, 0, limit)
        return cls(_NO_BOUND if before_seq is None else before_seq, limit, 0)


def page(
    reading: Reading, founder_id: str, session_id: str, *, window: Window, epoch: str
) -> MessagePage:
    """The messages in a window, oldest first, of one moment."""
    session = sessions.require(reading, founder_id, session_id)
    limit = window.older + window.newer
    bounds = {"session_id": session_id, "pivot": window.pivot}
    # Of a side that is not asked for it is enough to know whether it is there.
    older = reading.all(_OLDER, limit=limit + 1 if window.older else 1, **bounds)
    newer = reading.all(_NEWER, limit=limit + 1 if window.newer else 1, **bounds)
    # What one side leaves the other may fill.
    newer_room = max(window.newer, limit - len(older)) if window.newer else 0
    newer_count = min(len(newer), newer_room)
    older_count = min(len(older), limit - newer_count) if window.older else 0
    rows = [*reversed(older[:older_count]), *newer[:newer_count]]
    return MessagePage(
        messages=[_view(reading, row) for row in rows],
        has_more=len(older) > older_count,
        has_newer=len(newer) > newer_count,
        last_seq=session["last_seq"],
        epoch=epoch,
    )


def last_messages(
    reading: Reading, session_id: str, limit: int
) -> tuple[list[MessageView], bool]:
    """The last messages, oldest first, and whether there are older ones."""
    rows = reading.all(_OLDER, session_id=session_id, pivot=_NO_BOUND, limit=limit + 1)
    views = [_view(reading, row) for row in reversed(rows[:limit])]
    return views, len(rows) > limit


def joined_text(reading: Reading, message: sqlite3.Row) -> str:
    """The text of a message so far, joined from its pieces in the log."""
    rows = reading.all(
        _DELTAS,
        stream=session_stream(message["session_id"]),
        after_seq=message["seq"],
    )
    deltas = (json.loads(row["data"]) for row in rows)
    message_id = message["message_id"]
    return "".join(
        delta["text"] for delta in deltas if delta["message_id"] == message_id
    )


def _refuse_when_busy(
    tx: Tx, session_id: str, when_busy: WhenBusy, queue_limit: int
) -> None:
    if not run_queue.has_head(tx, session_id):
        return
    if when_busy is WhenBusy.REFUSE:
        raise SessionBusyError(
            f"the coach still answers in session {session_id}; wait or stop it"
        )
    if run_queue.waiting_count(tx, session_id) >= queue_limit:
        raise QueueFullError(
            f"{queue_limit} messages wait in session {session_id}; let one be answered"
        )


def _title_of(text: str) -> str:
    line = text.split("\n", 1)[0].strip()
    if len(line) <= _TITLE_LENGTH:
        return line
    words = line[: _TITLE_LENGTH + 1].rpartition(" ")[0].rstrip()
    return words or line[:_TITLE_LENGTH]


def _view(reading: Reading, row: sqlite3.Row) -> MessageView:
    is_streaming = row["status"] == MessageStatus.STREAMING.value
    return MessageView(
        message_id=row["message_id"],
        session_id=row["session_id"],
        role=Role(row["role"]),
        text=joined_text(reading, row) if is_streaming else row["text"],
        status=MessageStatus(row["status"]),
        seq=row["seq"],
        run_id=row["run_id"],
        request_id=row["request_id"],
        agent=row["agent"],
        suggestions=_suggestions(row),
        feedback=FeedbackValue(row["feedback"]),
        created_at=row["created_at"],
        finished_at=row["finished_at"],
    )


def _suggestions(row: sqlite3.Row) -> list[Suggestion]:
    """What is offered; a row that makes no sense must not break a page."""
    try:
        return _SUGGESTIONS.validate_json(row["suggestions"])
    except ValidationError as error:
        log.warning(
            "stored_suggestions_unreadable",
            message_id=row["message_id"],
            problems=error.error_count(),
        )
        return []
