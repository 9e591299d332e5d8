"""What a run needs to be executed: the talk so far and the steps already done."""

import sqlite3
from collections.abc import Iterable

from sqlalchemy import and_, case, or_, select

from services.api_gateway.store import FinishedStep, HistoryMessage, RunWork
from services.api_gateway.store_sql.models import messages, run_steps, runs
from services.api_gateway.store_sql.statements import Reading, Statement, given
from services.api_gateway.store_sql.summaries import find_summary
from services.api_gateway.wire.views import MessageStatus, Role, RunTrigger

__all__ = ["HISTORY_CHARACTERS", "HISTORY_MESSAGES", "build"]

HISTORY_MESSAGES = 200
HISTORY_CHARACTERS = 60_000
_BACKLOG_MESSAGES = 100
_BACKLOG_CHARACTERS = 30_000

_TRIGGER = Statement(
    select(messages.c.text).where(messages.c.message_id == given("message_id"))
)
_IS_REPLY = case((messages.c.role == Role.FOUNDER.value, 0), else_=1)
# By run, and within a run the founder's message before the reply.
_TALK = (
    select(messages.c.role, messages.c.text, runs.c.created_seq.label("place"))
    .join(runs, runs.c.run_id == messages.c.run_id)
    .where(
        runs.c.session_id == given("session_id"),
        runs.c.created_seq < given("before_run_seq"),
        runs.c.created_seq > given("after_seq"),
        messages.c.message_id != given("trigger_id"),
        messages.c.text != "",
        or_(
            messages.c.role == Role.FOUNDER.value,
            and_(
                messages.c.status != MessageStatus.SUPERSEDED.value,
                messages.c.status != MessageStatus.STREAMING.value,
            ),
        ),
    )
)
_NEWEST_FIRST = Statement(
    _TALK.order_by(
        runs.c.created_seq.desc(), _IS_REPLY.desc(), messages.c.seq.desc()
    ).limit(given("limit"))
)
_OLDEST_FIRST = Statement(
    _TALK.order_by(runs.c.created_seq, _IS_REPLY, messages.c.seq).limit(given("limit"))
)
# A branch begins with copies, which stand before every run of it.
_COPIED = select(messages.c.role, messages.c.text, messages.c.seq.label("place")).where(
    messages.c.session_id == given("session_id"),
    messages.c.run_id.is_(None),
    messages.c.seq < given("before_run_seq"),
    messages.c.seq > given("after_seq"),
)
_COPIED_NEWEST_FIRST = Statement(
    _COPIED.order_by(messages.c.seq.desc()).limit(given("limit"))
)
_COPIED_OLDEST_FIRST = Statement(_COPIED.order_by(messages.c.seq).limit(given("limit")))
_PARENT = Statement(
    select(runs.c.parent_run_id).where(runs.c.run_id == given("run_id"))
)
_STEPS = Statement(
    select(run_steps)
    .where(run_steps.c.run_id == given("run_id"))
    .order_by(run_steps.c.seq)
)


def build(reading: Reading, run: sqlite3.Row) -> RunWork:
    """Gather a run's work."""
    message_id = run["message_id"]
    summary = find_summary(reading, run["session_id"])
    scope = {
        "session_id": run["session_id"],
        "after_seq": 0 if summary is None else summary.upto_seq,
        "trigger_id": message_id or "",
    }
    history, is_cut = _history(reading, run["created_seq"], scope)
    return RunWork(
        run_id=run["run_id"],
        session_id=run["session_id"],
        founder_id=run["founder_id"],
        trigger=RunTrigger(run["trigger"]),
        message_id=message_id,
        text=reading.value(_TRIGGER, message_id=message_id) if message_id else None,
        created_at=run["created_at"],
        history=history,
        backlog=_backlog(reading, history[0].seq, scope) if is_cut else (),
        summary=summary,
        finished_steps=_finished_steps(reading, run),
    )


def _history(
    reading: Reading, before_run_seq: int, scope: dict[str, object]
) -> tuple[tuple[HistoryMessage, ...], bool]:
    """The newest turns before a run, and whether older ones had no room."""
    rows = _rows(
        reading,
        (_NEWEST_FIRST, _COPIED_NEWEST_FIRST),
        scope | {"before_run_seq": before_run_seq},
        limit=HISTORY_MESSAGES,
    )
    newest_first = _within(rows, HISTORY_CHARACTERS)
    is_cut = len(newest_first) < len(rows) or len(rows) == HISTORY_MESSAGES
    return tuple(reversed(newest_first)), is_cut and bool(newest_first)


def _backlog(
    reading: Reading, before_run_seq: int, scope: dict[str, object]
) -> tuple[HistoryMessage, ...]:
    """The oldest turns before a place, whole ones only."""
    rows = _rows(
        reading,
        (_COPIED_OLDEST_FIRST, _OLDEST_FIRST),
        scope | {"before_run_seq": before_run_seq},
        limit=_BACKLOG_MESSAGES + 1,
    )
    found = _within(rows, _BACKLOG_CHARACTERS)
    if len(found) == len(rows):
        return tuple(found)
    next_place = rows[len(found)]["place"]
    return tuple(message for message in found if message.seq < next_place)


def _rows(
    reading: Reading,
    parts: Iterable[Statement],
    scope: dict[str, object],
    *,
    limit: int,
) -> list[sqlite3.Row]:
    """The rows of one part after the other, so many in all."""
    rows: list[sqlite3.Row] = []
    for part in parts:
        if len(rows) < limit:
            rows += reading.all(part, limit=limit - len(rows), **scope)
    return rows


def _within(rows: Iterable[sqlite3.Row], characters: int) -> list[HistoryMessage]:
    """As many of the messages, in order, as have room."""
    found: list[HistoryMessage] = []
    for row in rows:
        characters -= len(row["text"])
        if characters < 0:
            break
        found.append(HistoryMessage(Role(row["role"]), row["text"], row["place"]))
    return found


def _finished_steps(reading: Reading, run: sqlite3.Row) -> tuple[FinishedStep, ...]:
    """Outputs of earlier attempts, from the first step on as far as they go.

    A step that spoke is done again, and what came after it: its message was
    superseded, so the words have to be said anew.
    """
    outputs: dict[str, str] = {}
    parent = run["parent_run_id"]
    while parent is not None:
        for step in reading.all(_STEPS, run_id=parent):
            if step["status"] != "complete" or step["has_spoken"]:
                break
            if step["output"] is not None:
                outputs.setdefault(step["task"], step["output"])
        parent = reading.value(_PARENT, run_id=parent)
    return tuple(FinishedStep(task, output) for task, output in outputs.items())
