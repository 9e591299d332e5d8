"""How messages, steps and runs end: each exactly once, all in one transaction."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import delete, null, select, update

from services.api_gateway.store_sql import messages as message_rows
from services.api_gateway.store_sql import run_queue, search_index
from services.api_gateway.store_sql.log import Tx, json_text, session_stream
from services.api_gateway.store_sql.models import events, messages, run_steps, runs
from services.api_gateway.store_sql.statements import Statement, fixed, given
from services.api_gateway.wire.views import MessageStatus, RunError, RunState

__all__ = ["Terminal", "cancelled", "end_run", "failed", "finish_message"]

log = structlog.get_logger(__name__)

_OPEN_MESSAGES = Statement(
    select(messages)
    .where(
        messages.c.run_id == given("run_id"),
        messages.c.status == MessageStatus.STREAMING.value,
    )
    .order_by(messages.c.seq)
)
_OPEN_STEPS = Statement(
    select(run_steps)
    .where(run_steps.c.run_id == given("run_id"), run_steps.c.status == "running")
    .order_by(run_steps.c.seq)
)
_TOOL_EVENTS = Statement(
    select(events.c.type, events.c.ts, events.c.data)
    .where(
        events.c.run_id == given("run_id"),
        events.c.run_offset.is_not(None),
        events.c.type.in_([fixed("tool.started"), fixed("tool.finished")]),
    )
    .order_by(events.c.run_offset)
)
_FINISH_MESSAGE = Statement(
    update(messages)
    .where(messages.c.message_id == given("of_message"))
    .values(
        status=given("status"), text=given("text"), finished_at=given("finished_at")
    )
)
_DROP_MESSAGE = Statement(
    delete(messages).where(messages.c.message_id == given("message_id"))
)
_END_STEP = Statement(
    update(run_steps)
    .where(
        run_steps.c.run_id == given("run_id"), run_steps.c.step_id == given("step_id")
    )
    .values(status=given("status"), duration_ms=given("duration_ms"))
)
_END_RUN = Statement(
    update(runs)
    .where(runs.c.run_id == given("run_id"))
    .values(
        state=given("state"),
        error=given("error"),
        ended_at=given("ended_at"),
        is_head=False,
        owner=null(),
    )
)
_STATES = {
    "run.finished": RunState.FINISHED,
    "run.failed": RunState.FAILED,
    "run.cancelled": RunState.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Terminal:
    """The event that ends a run; `offset` when an orchestrator proposed it."""

    type: str
    data: Mapping[str, object]
    offset: int | None = None

    @property
    def message_status(self) -> MessageStatus:
        """How a message ends that was still being written."""
        if self.type == "run.cancelled":
            return MessageStatus.CANCELLED
        if self.type == "run.failed" and self.data["code"] != "run_lost":
            return MessageStatus.FAILED
        return MessageStatus.INTERRUPTED

    @property
    def step_status(self) -> str:
        """How a step ends that was still running."""
        return "cancelled" if self.type == "run.cancelled" else "failed"


def failed(error: RunError) -> Terminal:
    """The run can go no further."""
    return Terminal("run.failed", error.model_dump())


def cancelled(reason: str) -> Terminal:
    """The run was stopped."""
    return Terminal("run.cancelled", {"reason": reason})


def end_run(tx: Tx, run: sqlite3.Row, terminal: Terminal) -> bool:
    """End what is open and then the run; whether the next one became runnable."""
    run_id, session_id = run["run_id"], run["session_id"]
    for message in tx.all(_OPEN_MESSAGES, run_id=run_id):
        finish_message(tx, message, terminal.message_status)
    if terminal.type != "run.finished":
        # One that ended well left no call open, and its events need no reading.
        _end_tools(tx, run, terminal.step_status)
    for step in tx.all(_OPEN_STEPS, run_id=run_id):
        _end_step(tx, run, step, terminal.step_status)
    stream = session_stream(session_id)
    tx.append(
        stream, terminal.type, terminal.data, run_id=run_id, run_offset=terminal.offset
    )
    state = _STATES[terminal.type]
    is_failed = state is RunState.FAILED
    was_head = bool(run["is_head"])
    tx.change(
        _END_RUN,
        run_id=run_id,
        state=state.value,
        error=json_text(terminal.data) if is_failed else None,
        ended_at=tx.now,
    )
    if was_head:
        return run_queue.promote(tx, session_id)
    run_queue.announce_positions(tx, session_id, from_seq=run["created_seq"])
    return False


def finish_message(
    tx: Tx,
    message: sqlite3.Row,
    status: MessageStatus,
    *,
    told_length: int | None = None,
    offset: int | None = None,
) -> None:
    """Store what was streamed as the message's text and tell how it ended.

    A told length that differs from what was joined means that a piece was lost:
    the message then ends as failed. A message without text is not kept.
    """
    message_id, run_id = message["message_id"], message["run_id"]
    text = message_rows.joined_text(tx, message)
    if told_length is not None and told_length != len(text):
        log.error(
            "message_length_differs",
            run_id=run_id,
            message_id=message_id,
            told=told_length,
            joined=len(text),
        )
        status = MessageStatus.FAILED
    tx.append(
        session_stream(message["session_id"]),
        "message.finished",
        {"message_id": message_id, "status": status.value, "length": len(text)},
        run_id=run_id,
        run_offset=offset,
    )
    if text:
        tx.change(
            _FINISH_MESSAGE,
            of_message=message_id,
            status=status.value,
            text=text,
            finished_at=tx.now,
        )
        search_index.add_message(tx, message_id, message["founder_id"], text)
    else:
        tx.change(_DROP_MESSAGE, message_id=message_id)


def _end_tools(tx: Tx, run: sqlite3.Row, status: str) -> None:
    """Tell the end of every tool call that has none."""
    began: dict[str, str] = {}
    for event in tx.all(_TOOL_EVENTS, run_id=run["run_id"]):
        call_id = json.loads(event["data"])["tool_call_id"]
        if event["type"] == "tool.started":
            began[call_id] = event["ts"]
        else:
            began.pop(call_id, None)
    for call_id, began_at in began.items():
        tx.append(
            session_stream(run["session_id"]),
            "tool.finished",
            {
                "tool_call_id": call_id,
                "status": status,
                "duration_ms": _milliseconds_since(tx, began_at),
            },
            run_id=run["run_id"],
        )


def _milliseconds_since(tx: Tx, began_at: str) -> int:
    began_ms = datetime.fromisoformat(began_at).timestamp() * 1000
    return max(0, tx.now_ms - round(began_ms))


def _end_step(tx: Tx, run: sqlite3.Row, step: sqlite3.Row, status: str) -> None:
    duration_ms = _milliseconds_since(tx, step["started_at"])
    tx.append(
        session_stream(run["session_id"]),
        "step.finished",
        {
            "step_id": step["step_id"],
            "status": status,
            "duration_ms": duration_ms,
            "reused": False,
        },
        run_id=run["run_id"],
    )
    tx.change(
        _END_STEP,
        run_id=run["run_id"],
        step_id=step["step_id"],
        status=status,
        duration_ms=duration_ms,
    )
