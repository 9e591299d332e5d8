"""The queue of a session's runs: one at its head, the others wait in order.

`is_head` marks the one run of a session that may be executed; the database itself
refuses a second. A waiting run becomes the head when the one before it ended.
"""

import sqlite3
from dataclasses import dataclass

from sqlalchemy import and_, func, insert, select, update

from services.api_gateway.store import ActiveRun
from services.api_gateway.store_sql.log import Tx, session_stream
from services.api_gateway.store_sql.models import runs
from services.api_gateway.store_sql.statements import (
    Reading,
    Statement,
    fixed,
    given,
)
from services.api_gateway.wire.views import RunState, RunTrigger

__all__ = [
    "NewRun",
    "active_in_session",
    "active_run",
    "all_waiting",
    "announce_positions",
    "create",
    "has_head",
    "position_of",
    "promote",
    "waiting_count",
]

_IS_WAITING = and_(
    runs.c.session_id == given("session_id"),
    runs.c.state == fixed("queued"),
    runs.c.is_head == fixed(0),
)
_HEAD = Statement(
    select(runs).where(
        runs.c.session_id == given("session_id"), runs.c.is_head == fixed(1)
    )
)
_COUNT = Statement(select(func.count()).select_from(runs).where(_IS_WAITING))
_COUNT_ALL = Statement(
    select(func.count())
    .select_from(runs)
    .where(runs.c.state == fixed("queued"), runs.c.is_head == fixed(0))
)
_PLACE = Statement(
    select(func.count())
    .select_from(runs)
    .where(_IS_WAITING, runs.c.created_seq <= given("created_seq"))
)
_WAITING = Statement(
    select(runs.c.run_id, runs.c.message_id, runs.c.created_seq)
    .where(_IS_WAITING)
    .order_by(runs.c.created_seq)
)
_PROMOTE = Statement(
    update(runs).where(runs.c.run_id == given("run_id")).values(is_head=True)
)
_INSERT = Statement(
    insert(runs).values(
        run_id=given("run_id"),
        session_id=given("session_id"),
        founder_id=given("founder_id"),
        trigger=given("trigger"),
        message_id=given("message_id"),
        parent_run_id=given("parent_run_id"),
        state=RunState.QUEUED.value,
        created_seq=given("created_seq"),
        is_head=given("is_head"),
        lease_until_ms=0,
        last_offset=0,
        ignored_events=0,
        is_cancel_requested=False,
        prompt_tokens=0,
        completion_tokens=0,
        created_at=given("created_at"),
        is_compacted=False,
    )
)


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to create."""

    run_id: str
    session_id: str
    founder_id: str
    trigger: RunTrigger
    message_id: str | None = None
    parent_run_id: str | None = None


def create(tx: Tx, run: NewRun) -> int | None:
    """Create a run: at the head when the session is idle, else at a told position."""
    seq = tx.append(
        session_stream(run.session_id),
        "run.created",
        {
            "run_id": run.run_id,
            "trigger": run.trigger.value,
            "message_id": run.message_id,
            "parent_run_id": run.parent_run_id,
        },
        run_id=run.run_id,
    )
    is_head = not has_head(tx, run.session_id)
    tx.change(
        _INSERT,
        run_id=run.run_id,
        session_id=run.session_id,
        founder_id=run.founder_id,
        trigger=run.trigger.value,
        message_id=run.message_id,
        parent_run_id=run.parent_run_id,
        created_seq=seq,
        is_head=is_head,
        created_at=tx.now,
    )
    if is_head:
        return None
    announce_positions(tx, run.session_id, from_seq=seq)
    return waiting_count(tx, run.session_id)


def has_head(reading: Reading, session_id: str) -> bool:
    """Whether a run of the session may be executed or is."""
    return reading.one(_HEAD, session_id=session_id) is not None


def waiting_count(reading: Reading, session_id: str) -> int:
    """How many runs wait behind the head."""
    return int(reading.value(_COUNT, session_id=session_id))


def all_waiting(reading: Reading) -> int:
    """How many runs wait behind the heads of all sessions."""
    return int(reading.value(_COUNT_ALL))


def position_of(reading: Reading, run: sqlite3.Row) -> int | None:
    """The run's place among those that wait, from 1; None when it does not."""
    if run["state"] != RunState.QUEUED.value or run["is_head"]:
        return None
    return int(
        reading.value(
            _PLACE, session_id=run["session_id"], created_seq=run["created_seq"]
        )
    )


def promote(tx: Tx, session_id: str) -> bool:
    """Make the longest waiting run the head; whether there was one."""
    first = tx.one(_WAITING, session_id=session_id)
    if first is None:
        return False
    tx.change(_PROMOTE, run_id=first["run_id"])
    announce_positions(tx, session_id, from_seq=first["created_seq"])
    return True


def announce_positions(tx: Tx, session_id: str, *, from_seq: int) -> None:
    """Tell the places of waiting messages whose run was created at or after a seq."""
    waiting = tx.all(_WAITING, session_id=session_id)
    for position, run in enumerate(waiting, 1):
        if run["created_seq"] >= from_seq and run["message_id"] is not None:
            tx.append(
                session_stream(session_id),
                "message.queued",
                {"message_id": run["message_id"], "position": position},
                run_id=run["run_id"],
            )


def active_in_session(reading: Reading, session_id: str) -> tuple[ActiveRun, ...]:
    """The session's run that an orchestrator has, if any."""
    head = reading.one(_HEAD, session_id=session_id)
    return () if head is None or head["address"] is None else (active_run(head),)


def active_run(run: sqlite3.Row) -> ActiveRun:
    """What is needed to reach a dispatched run."""
    return ActiveRun(
        run_id=run["run_id"],
        session_id=run["session_id"],
        address=run["address"],
        instance_id=run["instance_id"],
        last_offset=run["last_offset"],
        is_cancel_requested=bool(run["is_cancel_requested"]),
    )
