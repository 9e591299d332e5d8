"""Runs: claimed, dispatched, leased, stopped, tried again and shown."""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, repeat
from uuid import UUID, uuid5

from sqlalchemy import null, select, update

from services.api_gateway.errors import NotRetryableRunError, RunUnknownError
from services.api_gateway.store import (
    ActiveRun,
    Appended,
    CancelDecision,
    CommandKey,
    DispatchPlace,
    HeldRuns,
    RunWork,
)
from services.api_gateway.store_sql import (
    requests,
    run_queue,
    run_work,
    search_index,
)
from services.api_gateway.store_sql.log import Tx, session_stream
from services.api_gateway.store_sql.models import messages, run_steps, runs
from services.api_gateway.store_sql.run_ends import Terminal, cancelled, end_run
from services.api_gateway.store_sql.run_events import FIND_RUN
from services.api_gateway.store_sql.statements import (
    Reading,
    Statement,
    fixed,
    given,
)
from services.api_gateway.wire.views import (
    CrewRef,
    MessageStatus,
    Role,
    RunAccepted,
    RunError,
    RunState,
    RunTrigger,
    RunView,
    StepView,
)

__all__ = [
    "adopt",
    "cancel",
    "claim_runnable",
    "end",
    "expire_leases",
    "find",
    "record_dispatch",
    "release_claims",
    "renew_leases",
    "retry",
    "shown_in_session",
]

_OWNED = Statement(
    select(runs).where(
        runs.c.run_id == given("run_id"), runs.c.founder_id == given("founder_id")
    )
)
_LAST = Statement(
    select(runs)
    .where(runs.c.session_id == given("session_id"))
    .order_by(runs.c.created_seq.desc())
    .limit(1)
)
_NOT_OVER = Statement(
    select(runs)
    .where(runs.c.session_id == given("session_id"), runs.c.ended_at.is_(None))
    .order_by(runs.c.created_seq)
)
_STEPS = Statement(
    select(run_steps)
    .where(run_steps.c.run_id == given("run_id"))
    .order_by(run_steps.c.seq)
)
_RUNNABLE = Statement(
    select(runs)
    .where(
        runs.c.state == fixed("queued"),
        runs.c.is_head == fixed(1),
        runs.c.owner.is_(None),
    )
    .order_by(runs.c.created_at, runs.c.run_id)
    .limit(given("limit"))
)
_CLAIM = Statement(
    update(runs)
    .where(runs.c.run_id == given("run_id"))
    .values(owner=given("new_owner"), lease_until_ms=given("until_ms"))
)
_RELEASE = Statement(
    update(runs).where(runs.c.run_id == given("run_id")).values(owner=null())
)
_DISPATCH = Statement(
    update(runs)
    .where(
        runs.c.run_id == given("run_id"),
        runs.c.ended_at.is_(None),
        runs.c.last_offset == 0,
    )
    .values(
        state=RunState.DISPATCHED.value,
        address=given("new_address"),
        instance_id=given("new_instance_id"),
    )
)
_REQUEST_CANCEL = Statement(
    update(runs)
    .where(runs.c.run_id == given("run_id"))
    .values(is_cancel_requested=True)
)
_RENEW = Statement(
    update(runs)
    .where(runs.c.owner == given("of_owner"), runs.c.owner.is_not(None))
    .values(lease_until_ms=given("until_ms"))
)
_HELD = Statement(
    select(runs).where(
        runs.c.owner == given("of_owner"),
        runs.c.owner.is_not(None),
        runs.c.ended_at.is_(None),
    )
)
_RELEASE_OWN = Statement(
    update(runs)
    .where(
        runs.c.run_id == given("run_id"),
        runs.c.owner == given("of_owner"),
        runs.c.address.is_(None),
    )
    .values(owner=null())
)
_EXPIRE = Statement(
    update(runs)
    .where(runs.c.owner.is_not(None), runs.c.lease_until_ms > 0)
    .values(lease_until_ms=0)
)
_EXPIRED = Statement(
    select(runs).where(
        runs.c.owner.is_not(None),
        runs.c.lease_until_ms < given("now_ms"),
        runs.c.owner != given("owner"),
    )
)
_REPLIES = Statement(
    select(messages)
    .where(
        messages.c.run_id == given("run_id"),
        messages.c.role == Role.COACH.value,
        messages.c.status != MessageStatus.SUPERSEDED.value,
    )
    .order_by(messages.c.seq)
)
_SUPERSEDE = Statement(
    update(messages)
    .where(messages.c.message_id == given("of_message"))
    .values(status=MessageStatus.SUPERSEDED.value)
)


def find(reading: Reading, founder_id: str, run_id: str) -> RunView:
    """One run; raises `RunUnknownError`."""
    return _view(reading, _require(reading, founder_id, run_id))


def shown_in_session(reading: Reading, session_id: str) -> list[RunView]:
    """Every run that is not over, oldest first, and the last one."""
    rows = reading.all(_NOT_OVER, session_id=session_id)
    last = reading.one(_LAST, session_id=session_id)
    if last is not None and last["ended_at"] is not None:
        rows.append(last)
    return [_view(reading, row) for row in rows]


def claim_runnable(
    tx: Tx,
    owner: str,
    *,
    limit: int,
    places: Sequence[DispatchPlace],
    lease_seconds: float,
) -> list[RunWork]:
    """Claim runs at the head of their session, oldest first, and dispatch them."""
    claimed = []
    until_ms = tx.now_ms + round(lease_seconds * 1000)
    given_places = chain(places, repeat(None))
    for row, place in zip(tx.all(_RUNNABLE, limit=limit), given_places, strict=False):
        tx.change(_CLAIM, run_id=row["run_id"], new_owner=owner, until_ms=until_ms)
        if place is not None:
            record_dispatch(tx, row["run_id"], place)
        claimed.append(replace(run_work.build(tx, row), place=place))
    return claimed


def record_dispatch(tx: Tx, run_id: str, place: DispatchPlace) -> bool:
    """Commit where the run goes; False when it is over or began elsewhere."""
    changed = tx.change(
        _DISPATCH,
        run_id=run_id,
        new_address=place.address,
        new_instance_id=place.instance_id,
    )
    return changed == 1


def renew_leases(tx: Tx, owner: str, *, lease_seconds: float) -> HeldRuns:
    """Say that the owner is alive; returns what it holds."""
    until_ms = tx.now_ms + round(lease_seconds * 1000)
    tx.change(_RENEW, of_owner=owner, until_ms=until_ms)
    rows = tx.all(_HELD, of_owner=owner)
    return HeldRuns(
        tuple(run_queue.active_run(row) for row in rows if row["address"] is not None),
        tuple(row["run_id"] for row in rows if row["address"] is None),
    )


def release_claims(tx: Tx, owner: str, run_ids: Sequence[str]) -> None:
    """Let runs be claimed again that the owner never dispatched."""
    tx.change_many(
        _RELEASE_OWN, [{"run_id": run_id, "of_owner": owner} for run_id in run_ids]
    )


def expire_leases(reading: Reading) -> None:
    """End every lease: who held one before this start is gone."""
    reading.change(_EXPIRE)


def adopt(tx: Tx, owner: str, *, lease_seconds: float) -> list[ActiveRun]:
    """Take over runs of others whose lease ended; undispatched ones are free again."""
    adopted = []
    until_ms = tx.now_ms + round(lease_seconds * 1000)
    for row in tx.all(_EXPIRED, now_ms=tx.now_ms, owner=owner):
        if row["address"] is None:
            tx.change(_RELEASE, run_id=row["run_id"])
            continue
        tx.change(_CLAIM, run_id=row["run_id"], new_owner=owner, until_ms=until_ms)
        adopted.append(run_queue.active_run(row))
    return adopted


def end(tx: Tx, run_id: str, terminal: Terminal) -> Appended:
    """End a run from here; one that is over stays as it is."""
    run = tx.one(FIND_RUN, run_id=run_id)
    if run is None:
        return Appended(last_offset=0, is_over=True)
    if run["ended_at"] is not None:
        return Appended(last_offset=run["last_offset"], is_over=True)
    has_runnable = end_run(tx, run, terminal)
    return Appended(run["last_offset"], is_over=True, has_runnable=has_runnable)


def cancel(tx: Tx, key: CommandKey, run_id: str, reason: str) -> CancelDecision:
    """End a run nobody executes yet, for a reason; mark one that was dispatched."""
    first = requests.recall(tx, key)
    run = _require(tx, key.founder_id, run_id)
    if first is None and run["ended_at"] is None:
        if run["address"] is None:
            end_run(tx, run, cancelled(reason))
        else:
            tx.change(_REQUEST_CANCEL, run_id=run_id)
        run = _require(tx, key.founder_id, run_id)
    is_active = run["address"] is not None and run["ended_at"] is None
    active = run_queue.active_run(run) if is_active else None
    if first is not None:
        return CancelDecision(RunAccepted.model_validate(first), active)
    accepted = _accepted(tx, run)
    requests.remember(tx, key, run["session_id"], accepted.model_dump())
    return CancelDecision(accepted, active)


def retry(tx: Tx, key: CommandKey, run_id: str) -> RunAccepted:
    """Create the run that tries again, once per parent."""
    if (first := requests.recall(tx, key)) is not None:
        return RunAccepted.model_validate(first)
    parent = _require(tx, key.founder_id, run_id)
    retry_id = str(uuid5(UUID(run_id), "retry"))
    if tx.one(FIND_RUN, run_id=retry_id) is None:
        _refuse_unless_retryable(tx, parent)
        _supersede_replies(tx, parent)
        run_queue.create(
            tx,
            run_queue.NewRun(
                retry_id,
                parent["session_id"],
                parent["founder_id"],
                RunTrigger(parent["trigger"]),
                parent["message_id"],
                run_id,
            ),
        )
    accepted = _accepted(tx, _require(tx, key.founder_id, retry_id))
    requests.remember(tx, key, parent["session_id"], accepted.model_dump())
    return accepted


def _require(reading: Reading, founder_id: str, run_id: str) -> sqlite3.Row:
    row = reading.one(_OWNED, run_id=run_id, founder_id=founder_id)
    if row is None:
        raise RunUnknownError(f"there is no run {run_id}")
    return row


def _refuse_unless_retryable(tx: Tx, run: sqlite3.Row) -> None:
    last = tx.one(_LAST, session_id=run["session_id"])
    is_last = last is not None and last["run_id"] == run["run_id"]
    if not is_last or run["state"] not in {RunState.FAILED, RunState.CANCELLED}:
        raise NotRetryableRunError(
            f"run {run['run_id']} is not the session's last, or did not fail;"
            " send a message instead"
        )


def _supersede_replies(tx: Tx, run: sqlite3.Row) -> None:
    status = MessageStatus.SUPERSEDED.value
    for message in tx.all(_REPLIES, run_id=run["run_id"]):
        search_index.drop_message(tx, message)
        tx.change(_SUPERSEDE, of_message=message["message_id"])
        tx.append(
            session_stream(run["session_id"]),
            "message.finished",
            {
                "message_id": message["message_id"],
                "status": status,
                "length": len(message["text"]),
            },
            run_id=run["run_id"],
        )


def _accepted(tx: Tx, run: sqlite3.Row) -> RunAccepted:
    return RunAccepted(
        run_id=run["run_id"],
        state=RunState(run["state"]),
        seq=tx.last_seq(session_stream(run["session_id"])),
    )


def _view(reading: Reading, row: sqlite3.Row) -> RunView:
    crew, error = row["crew"], row["error"]
    return RunView(
        run_id=row["run_id"],
        session_id=row["session_id"],
        trigger=RunTrigger(row["trigger"]),
        message_id=row["message_id"],
        parent_run_id=row["parent_run_id"],
        state=RunState(row["state"]),
        position=run_queue.position_of(reading, row),
        crew=None if crew is None else CrewRef.model_validate_json(crew),
        error=None if error is None else RunError.model_validate_json(error),
        prompt_tokens=row["prompt_tokens"],
        completion_tokens=row["completion_tokens"],
        steps=[_step(step) for step in reading.all(_STEPS, run_id=row["run_id"])],
        created_at=row["created_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
    )


def _step(row: sqlite3.Row) -> StepView:
    return StepView(
        step_id=row["step_id"],
        task=row["task"],
        agent=row["agent"],
        title=row["title"],
        status=row["status"],
        started_at=row["started_at"],
        duration_ms=row["duration_ms"],
    )
