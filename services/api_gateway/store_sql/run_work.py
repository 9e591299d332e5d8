"""What a run needs to be executed: the talk so far and the steps already done."""

import sqlite3

from sqlalchemy import and_, case, or_, select

from services.api_gateway.store import (
    FinishedStep,
    HistoryMessage,
    RunWork,
    SummaryRow,
)
from services.api_gateway.store_sql.models import messages, run_steps, runs, sessions
from services.api_gateway.store_sql.statements import Reading, Statement, given
from services.api_gateway.wire.views import MessageStatus, Role, RunTrigger

__all__ = ["build"]

_HISTORY_MESSAGES = 200
_HISTORY_CHARACTERS = 60_000

_SUMMARY = Statement(
    select(sessions.c.summary_text, sessions.c.summary_upto_seq).where(
        sessions.c.session_id == given("session_id")
    )
)
_TRIGGER = Statement(
    select(messages.c.text).where(messages.c.message_id == given("message_id"))
)
# By run, and within a run the founder's message before the reply.
_HISTORY = Statement(
    select(messages.c.role, messages.c.text)
    .join(runs, runs.c.run_id == messages.c.run_id)
    .where(
        runs.c.session_id == given("session_id"),
        runs.c.created_seq < given("before_run_seq"),
        messages.c.seq > given("after_seq"),
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
    .order_by(
        runs.c.created_seq.desc(),
        case((messages.c.role == Role.FOUNDER.value, 1), else_=0),
        messages.c.seq.desc(),
    )
    .limit(_HISTORY_MESSAGES)
)
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
    summary = _summary(reading, run["session_id"])
    return RunWork(
        run_id=run["run_id"],
        session_id=run["session_id"],
        founder_id=run["founder_id"],
        trigger=RunTrigger(run["trigger"]),
        message_id=message_id,
        text=reading.value(_TRIGGER, message_id=message_id) if message_id else None,
        created_at=run["created_at"],
        history=_history(reading, run, summary),
        summary=summary,
        finished_steps=_finished_steps(reading, run),
    )


def _summary(reading: Reading, session_id: str) -> SummaryRow | None:
    row = reading.one(_SUMMARY, session_id=session_id)
    if row is None or row["summary_text"] is None:
        return None
    return SummaryRow(row["summary_text"], row["summary_upto_seq"])


def _history(
    reading: Reading, run: sqlite3.Row, summary: SummaryRow | None
) -> tuple[HistoryMessage, ...]:
    rows = reading.all(
        _HISTORY,
        session_id=run["session_id"],
        before_run_seq=run["created_seq"],
        after_seq=0 if summary is None else summary.upto_seq,
        trigger_id=run["message_id"] or "",
    )
    newest_first: list[HistoryMessage] = []
    room = _HISTORY_CHARACTERS
    for row in rows:
        room -= len(row["text"])
        if room < 0:
            break
        newest_first.append(HistoryMessage(Role(row["role"]), row["text"]))
    return tuple(reversed(newest_first))


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
