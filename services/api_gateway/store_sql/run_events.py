"""What an orchestrator proposes: decided, appended and kept in step with the rows.

The pieces of a message are the hot path: they are appended together, by the
driver, and touch no row but the run's and the stream's.
"""

import sqlite3
from collections.abc import Mapping, Sequence

import structlog
from sqlalchemy import insert, literal_column, select, update

from services.api_gateway.store import Appended, RunProposal
from services.api_gateway.store_sql import messages as message_rows
from services.api_gateway.store_sql.log import (
    STREAM_PREFIX,
    Tx,
    json_text,
    session_stream,
)
from services.api_gateway.store_sql.models import messages, run_steps, runs, streams
from services.api_gateway.store_sql.run_ends import Terminal, end_run, finish_message
from services.api_gateway.store_sql.statements import Statement, given
from services.api_gateway.store_sql.summaries import keep_summary
from services.api_gateway.wire.events import TERMINAL_TYPES
from services.api_gateway.wire.views import MessageStatus, Role, RunState

__all__ = ["FIND_RUN", "append_run_events"]

log = structlog.get_logger(__name__)

FIND_RUN = Statement(select(runs).where(runs.c.run_id == given("run_id")))
# Asked for every piece of every message: all it needs at once, and no more.
_FIND_RUN_TO_APPEND = Statement(
    select(
        runs.c.run_id,
        runs.c.session_id,
        runs.c.founder_id,
        runs.c.last_offset,
        runs.c.ignored_events,
        runs.c.ended_at,
        runs.c.created_seq,
        runs.c.is_head,
        streams.c.last_seq,
        select(messages.c.message_id)
        .where(
            messages.c.run_id == runs.c.run_id,
            messages.c.status == MessageStatus.STREAMING.value,
        )
        .order_by(messages.c.seq.desc())
        .limit(1)
        .scalar_subquery()
        .label("open_message"),
    )
    .join(streams, streams.c.stream == STREAM_PREFIX + runs.c.session_id)
    .where(runs.c.run_id == given("run_id"))
)
_IS_STREAMING = Statement(
    select(literal_column("1")).where(
        messages.c.message_id == given("message_id"),
        messages.c.run_id == given("run_id"),
        messages.c.status == MessageStatus.STREAMING.value,
    )
)
_FIND_MESSAGE = Statement(
    select(messages).where(messages.c.message_id == given("message_id"))
)
_ADVANCE = Statement(
    update(runs)
    .where(runs.c.run_id == given("run_id"))
    .values(last_offset=given("offset"), ignored_events=given("ignored"))
)
_START = Statement(
    update(runs)
    .where(runs.c.run_id == given("run_id"))
    .values(
        state=RunState.RUNNING.value, crew=given("crew"), started_at=given("started")
    )
)
_ADD_USAGE = Statement(
    update(runs)
    .where(runs.c.run_id == given("run_id"))
    .values(
        prompt_tokens=runs.c.prompt_tokens + given("prompt"),
        completion_tokens=runs.c.completion_tokens + given("completion"),
    )
)
_INSERT_STEP = Statement(
    insert(run_steps).values(
        run_id=given("run_id"),
        step_id=given("step_id"),
        founder_id=given("founder_id"),
        seq=given("seq"),
        task=given("task"),
        agent=given("agent"),
        title=given("title"),
        status="running",
        has_spoken=False,
        started_at=given("started_at"),
    )
)
_FINISH_STEP = Statement(
    update(run_steps)
    .where(run_steps.c.run_id == given("run_id"), run_steps.c.step_id == given("id"))
    .values(
        status=given("status"),
        duration_ms=given("duration_ms"),
        output=given("output"),
    )
)
_STEPS_SPEAK = Statement(
    update(run_steps)
    .where(run_steps.c.run_id == given("run_id"), run_steps.c.status == "running")
    .values(has_spoken=True)
)
_SUGGEST = Statement(
    update(messages)
    .where(messages.c.message_id == given("of_message"))
    .values(suggestions=given("items"))
)
_PLAIN = frozenset({"run.queued", "tool.started", "tool.finished"})


def append_run_events(
    tx: Tx, run_id: str, proposals: Sequence[RunProposal]
) -> Appended:
    """Append what is new of the proposals, up to the first gap in their offsets."""
    run = tx.one_of_session(_FIND_RUN_TO_APPEND, run_id=run_id)
    if run is None:
        return Appended(last_offset=0, is_over=True)
    if run["ended_at"] is not None:
        return Appended(last_offset=run["last_offset"], is_over=True)
    appending = _Appending(tx, run)
    for proposal in proposals:
        if proposal.offset <= appending.offset:
            continue
        if proposal.offset != appending.offset + 1:
            log.error(
                "run_offset_gap",
                run_id=run_id,
                expected=appending.offset + 1,
                offered=proposal.offset,
            )
            break
        appending.take(proposal)
        if appending.is_over:
            break
    return appending.finish()


class _Appending:
    """The proposals of one run being appended within one transaction."""

    def __init__(self, tx: Tx, run: sqlite3.Row) -> None:
        self.offset: int = run["last_offset"]
        self.is_over = False
        self._tx = tx
        self._run = run
        self._run_id: str = run["run_id"]
        self._stream = session_stream(run["session_id"])
        self._ignored: int = run["ignored_events"]
        self._has_runnable = False
        self._pieces: list[tuple[int | None, str, Mapping[str, object]]] = []
        self._open_message: str | None = run["open_message"]
        self._last_seq: int | None = run["last_seq"]

    def take(self, proposal: RunProposal) -> None:
        """Append one proposal, the next by its offset."""
        self.offset = proposal.offset
        if proposal.type == "message.delta":
            self._take_piece(proposal)
            return
        self._flush()
        self._last_seq = None
        if proposal.type in TERMINAL_TYPES:
            self._end(proposal)
        elif proposal.type in _PLAIN:
            self._append(proposal)
        elif proposal.type == "summary.updated":
            self._keep_summary(proposal)
        else:
            self._project(proposal)

    def _project(self, proposal: RunProposal) -> None:
        """Append an event that rows are kept in step with."""
        match proposal.type:
            case "message.started":
                self._start_message(proposal)
            case "message.finished":
                self._finish_message(proposal)
            case "suggestions":
                self._suggest(proposal)
            case "step.started":
                self._start_step(proposal)
            case "step.finished":
                self._finish_step(proposal)
            case "run.started":
                self._start_run(proposal)
            case "usage":
                self._add_usage(proposal)
            case _:
                self._ignore(proposal, "unknown_type")

    def finish(self) -> Appended:
        """Write what is left and say how far the run got."""
        self._flush()
        if self.offset != self._run["last_offset"]:
            row = {
                "run_id": self._run_id,
                "offset": self.offset,
                "ignored": self._ignored,
            }
            self._tx.later(self._stream, _ADVANCE.sql, [row])
        return Appended(self.offset, self.is_over, self._has_runnable)

    def _take_piece(self, proposal: RunProposal) -> None:
        message_id = proposal.data["message_id"]
        if message_id != self._open_message:
            is_open = self._tx.one(
                _IS_STREAMING, message_id=message_id, run_id=self._run_id
            )
            if is_open is None:
                self._ignore(proposal, "message_not_open")
                return
            self._open_message = message_id
        self._pieces.append((proposal.offset, proposal.type, proposal.data))

    def _flush(self) -> None:
        if not self._pieces:
            return
        last_seq = self._last_seq
        if last_seq is None:
            last_seq = self._tx.last_seq(self._stream)
        self._tx.append_run(self._stream, self._run_id, self._pieces, last_seq=last_seq)
        self._pieces = []

    def _append(self, proposal: RunProposal) -> int:
        return self._tx.append(
            self._stream,
            proposal.type,
            proposal.data,
            run_id=self._run_id,
            run_offset=proposal.offset,
        )

    def _ignore(self, proposal: RunProposal, reason: str) -> None:
        self._ignored += 1
        log.error(
            "run_event_ignored",
            run_id=self._run_id,
            offset=proposal.offset,
            type=proposal.type,
            reason=reason,
        )

    def _own_message(self, message_id: str) -> sqlite3.Row | None:
        row = self._tx.one(_FIND_MESSAGE, message_id=message_id)
        is_own = row is not None and row["run_id"] == self._run_id
        return row if is_own else None

    def _streaming(self, message_id: str) -> sqlite3.Row | None:
        row = self._own_message(message_id)
        if row is None or row["status"] != MessageStatus.STREAMING.value:
            return None
        return row

    def _start_message(self, proposal: RunProposal) -> None:
        message_id = proposal.data["message_id"]
        if self._tx.one(_FIND_MESSAGE, message_id=message_id) is not None:
            self._ignore(proposal, "message_exists")
            return
        seq = self._append(proposal)
        self._tx.change(
            message_rows.INSERT,
            message_id=message_id,
            session_id=self._run["session_id"],
            founder_id=self._run["founder_id"],
            run_id=self._run_id,
            role=Role.COACH.value,
            text="",
            status=MessageStatus.STREAMING.value,
            seq=seq,
            request_id=None,
            agent=proposal.data["agent"],
            created_at=self._tx.now,
            finished_at=None,
        )
        self._tx.change(_STEPS_SPEAK, run_id=self._run_id)

    def _finish_message(self, proposal: RunProposal) -> None:
        message = self._streaming(proposal.data["message_id"])
        if message is None:
            self._ignore(proposal, "message_not_open")
            return
        self._open_message = None
        finish_message(
            self._tx,
            message,
            MessageStatus(proposal.data["status"]),
            told_length=proposal.data["length"],
            offset=proposal.offset,
        )

    def _suggest(self, proposal: RunProposal) -> None:
        message_id = proposal.data["message_id"]
        if self._own_message(message_id) is None:
            self._ignore(proposal, "message_unknown")
            return
        self._append(proposal)
        items = json_text(proposal.data["suggestions"])
        self._tx.change(_SUGGEST, of_message=message_id, items=items)

    def _start_step(self, proposal: RunProposal) -> None:
        data = proposal.data
        seq = self._append(proposal)
        self._tx.change(
            _INSERT_STEP,
            run_id=self._run_id,
            step_id=data["step_id"],
            founder_id=self._run["founder_id"],
            seq=seq,
            task=data["task"],
            agent=data["agent"],
            title=data["title"],
            started_at=self._tx.now,
        )

    def _finish_step(self, proposal: RunProposal) -> None:
        self._append(proposal)
        self._tx.change(
            _FINISH_STEP,
            run_id=self._run_id,
            id=proposal.data["step_id"],
            status=proposal.data["status"],
            duration_ms=proposal.data["duration_ms"],
            output=proposal.output,
        )

    def _start_run(self, proposal: RunProposal) -> None:
        self._append(proposal)
        self._tx.change(
            _START,
            run_id=self._run_id,
            crew=json_text(proposal.data),
            started=self._tx.now,
        )

    def _add_usage(self, proposal: RunProposal) -> None:
        self._append(proposal)
        self._tx.change(
            _ADD_USAGE,
            run_id=self._run_id,
            prompt=proposal.data["prompt_tokens"],
            completion=proposal.data["completion_tokens"],
        )

    def _keep_summary(self, proposal: RunProposal) -> None:
        """Keep it with the session; it is in no log, so that nobody is shown it."""
        data = proposal.data
        problem = keep_summary(self._tx, self._run, data["text"], data["upto_seq"])
        if problem is None:
            self._ignored += 1
        else:
            self._ignore(proposal, problem)

    def _end(self, proposal: RunProposal) -> None:
        terminal = Terminal(proposal.type, proposal.data, proposal.offset)
        self._has_runnable = end_run(self._tx, self._run, terminal)
        self.is_over = True
