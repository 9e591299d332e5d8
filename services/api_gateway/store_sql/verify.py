"""Walks every log of a database and tells what contradicts the promises.

Written against the file alone: it shares the tables with the store, and nothing of
how the store decides.
"""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from services.api_gateway.store_sql.connections import connect_reader
from services.api_gateway.wire.events import TERMINAL_TYPES
from services.api_gateway.wire.views import MessageStatus, Role, RunState

__all__ = ["check", "verify"]

_STATE_OF_TERMINAL = {
    "run.finished": RunState.FINISHED,
    "run.failed": RunState.FAILED,
    "run.cancelled": RunState.CANCELLED,
}
_ORPHANS = (
    ("event of no stream", "events", "stream", "streams", "stream"),
    ("message of no session", "messages", "session_id", "sessions", "session_id"),
    ("message of no run", "messages", "run_id", "runs", "run_id"),
    ("run of no session", "runs", "session_id", "sessions", "session_id"),
    ("step of no run", "run_steps", "run_id", "runs", "run_id"),
    ("session of no founder", "sessions", "founder_id", "founders", "founder_id"),
    ("stream of no founder", "streams", "founder_id", "founders", "founder_id"),
    ("token of no founder", "tokens", "founder_id", "founders", "founder_id"),
)


@dataclass(slots=True)
class _RunLog:
    """What the log of a session tells of one run."""

    created: int = 0
    started: int = 0
    terminals: list[str] = field(default_factory=list)
    last_offset: int = 0
    offsets: int = 0
    is_out_of_order: bool = False
    events_after_end: int = 0


@dataclass(slots=True)
class _MessageLog:
    """What the log of a session tells of one message."""

    run_id: str | None = None
    pieces: list[str] = field(default_factory=list)
    is_started: bool = False
    ends: list[str] = field(default_factory=list)
    told_length: int = 0
    pieces_after_end: int = 0


@dataclass(slots=True)
class _StreamLog:
    """One stream's log, read once."""

    numbering: list[str] = field(default_factory=list)
    runs: dict[str, _RunLog] = field(default_factory=dict)
    messages: dict[str, _MessageLog] = field(default_factory=dict)
    accepted: dict[str, dict[str, str]] = field(default_factory=dict)


async def verify(path: Path) -> list[str]:
    """Every contradiction found in a database; works beside a running gateway."""
    return await asyncio.to_thread(check, path)


def check(path: Path) -> list[str]:
    """`verify`, for callers without a loop."""
    with closing(connect_reader(path)) as connection:
        connection.execute("BEGIN")
        return list(_findings(connection))


def _findings(connection: sqlite3.Connection) -> Iterator[str]:
    for (problem,) in connection.execute("PRAGMA integrity_check"):
        if problem != "ok":
            yield f"file: {problem}"
    for label, table, column, parent, key in _ORPHANS:
        orphans = connection.execute(
            f"SELECT {column} FROM {table} WHERE {column} NOT IN"  # noqa: S608 - names from the table above
            f" (SELECT {key} FROM {parent})"
        )
        yield from (f"{label}: {orphan}" for (orphan,) in orphans)
    for stream in connection.execute(
        "SELECT * FROM streams ORDER BY stream"
    ).fetchall():
        yield from _check_stream(connection, stream)


def _check_stream(connection: sqlite3.Connection, stream: sqlite3.Row) -> Iterator[str]:
    name = stream["stream"]
    log = _read(connection, stream)
    found = list(log.numbering)
    if stream["kind"] == "session":
        session_id = name.partition(":")[2]
        found += _check_runs(connection, session_id, log)
        found += _check_messages(connection, session_id, log)
    yield from (f"{name}: {finding}" for finding in found)


def _read(connection: sqlite3.Connection, stream: sqlite3.Row) -> _StreamLog:
    log = _StreamLog()
    watermark, last_seq = stream["compacted_through"], 0
    for event in connection.execute(
        "SELECT * FROM events WHERE stream = ? ORDER BY seq", (stream["stream"],)
    ):
        seq = event["seq"]
        if seq > watermark and seq != max(last_seq, watermark) + 1:
            log.numbering.append(f"seq {seq} follows {max(last_seq, watermark)}")
        last_seq = seq
        data = json.loads(event["data"])
        if event["run_id"] is not None:
            _read_run_event(log, event)
        _read_message_event(log, event, data)
    if max(last_seq, watermark) != stream["last_seq"]:
        log.numbering.append(f"last seq is {last_seq}, told {stream['last_seq']}")
    return log


def _read_run_event(log: _StreamLog, event: sqlite3.Row) -> None:
    run = log.runs.setdefault(event["run_id"], _RunLog())
    kind, offset = event["type"], event["run_offset"]
    if offset is not None:
        run.is_out_of_order |= offset <= run.last_offset
        run.last_offset = offset
        run.offsets += 1
    if run.terminals and (offset is not None or kind in TERMINAL_TYPES):
        run.events_after_end += 1
    if kind in TERMINAL_TYPES:
        run.terminals.append(kind)
    run.created += kind == "run.created"
    run.started += kind == "run.started"


def _read_message_event(
    log: _StreamLog, event: sqlite3.Row, data: dict[str, str]
) -> None:
    kind = event["type"]
    if kind == "message.accepted":
        log.accepted[data["message_id"]] = data
    if kind not in {"message.started", "message.delta", "message.finished"}:
        return
    message = log.messages.setdefault(data["message_id"], _MessageLog())
    message.run_id = event["run_id"]
    if kind == "message.started":
        message.is_started = True
    elif kind == "message.delta":
        message.pieces.append(data["text"])
        message.pieces_after_end += bool(message.ends)
    else:
        message.ends.append(data["status"])
        message.told_length = int(data["length"])


def _check_runs(
    connection: sqlite3.Connection, session_id: str, log: _StreamLog
) -> Iterator[str]:
    rows = connection.execute(
        "SELECT * FROM runs WHERE session_id = ? ORDER BY created_seq", (session_id,)
    ).fetchall()
    heads = [row["run_id"] for row in rows if row["is_head"]]
    waiting = [row["run_id"] for row in rows if row["ended_at"] is None]
    if len(heads) > 1 or (waiting and heads != waiting[:1]):
        yield f"runs {waiting} are not over, at the head: {heads}"
    for run_id in log.runs.keys() - {row["run_id"] for row in rows}:
        yield f"run {run_id}: in the log and nowhere else"
    for row in rows:
        run = log.runs.get(row["run_id"], _RunLog())
        yield from (f"run {row['run_id']}: {text}" for text in _check_run(row, run))


def _check_run(row: sqlite3.Row, run: _RunLog) -> Iterator[str]:
    if run.created != 1:
        yield f"created {run.created} times"
    if run.started > 1:
        yield f"started {run.started} times"
    if run.events_after_end:
        yield f"{run.events_after_end} events after its end"
    if run.is_out_of_order:
        yield "offsets do not ascend"
    is_whole = run.offsets + row["ignored_events"] == row["last_offset"]
    if not row["is_compacted"] and not is_whole:
        yield f"{run.offsets} events of {row['last_offset']} offsets are there"
    yield from _check_run_end(row, run)


def _check_run_end(row: sqlite3.Row, run: _RunLog) -> Iterator[str]:
    state = RunState(row["state"])
    told = [_STATE_OF_TERMINAL[kind] for kind in run.terminals]
    if told != ([state] if state.is_final else []):
        yield f"is {state}, its terminal events are {run.terminals}"
    if (row["ended_at"] is not None) != state.is_final:
        yield f"is {state}, ended at {row['ended_at']}"


def _check_messages(
    connection: sqlite3.Connection, session_id: str, log: _StreamLog
) -> Iterator[str]:
    rows = {
        row["message_id"]: row
        for row in connection.execute(
            "SELECT m.*, r.is_compacted, r.ended_at FROM messages AS m"
            " JOIN runs AS r USING (run_id) WHERE m.session_id = ?",
            (session_id,),
        )
    }
    both = log.accepted.keys() & log.messages.keys()
    yield from (f"message {i}: accepted and streamed" for i in both)
    unknown = rows.keys() - log.accepted.keys() - log.messages.keys()
    yield from (f"message {i}: not in the log" for i in unknown)
    for message_id, data in log.accepted.items():
        row = rows.get(message_id)
        if row is None:
            yield f"message {message_id}: accepted and lost"
        elif row["text"] != data["text"] or row["run_id"] != data["run_id"]:
            yield f"message {message_id}: stored otherwise than it was accepted"
    for message_id, message in log.messages.items():
        found = _check_reply(rows.get(message_id), message)
        yield from (f"message {message_id}: {text}" for text in found)


def _check_reply(row: sqlite3.Row | None, message: _MessageLog) -> Iterator[str]:
    if not message.is_started:
        yield "was never started"
    if message.pieces_after_end:
        yield f"{message.pieces_after_end} pieces after its end"
    if message.ends[1:] not in ([], [MessageStatus.SUPERSEDED.value]):
        yield f"ended more than once: {message.ends}"
    if row is not None:
        yield from _check_stored_reply(row, message)
    elif not message.ends or message.told_length:
        yield "was shown and lost"


def _check_stored_reply(row: sqlite3.Row, message: _MessageLog) -> Iterator[str]:
    if row["role"] != Role.COACH.value:
        yield "is the founder's and was streamed"
    if row["run_id"] != message.run_id:
        yield f"belongs to run {row['run_id']}, streamed by {message.run_id}"
    last = message.ends[-1] if message.ends else MessageStatus.STREAMING.value
    if row["status"] != last:
        yield f"is {row['status']}, the log says {last}"
    if not message.ends:
        if row["ended_at"] is not None:
            yield "never ended, its run did"
        return
    if len(row["text"]) != message.told_length:
        yield f"has {len(row['text'])} characters, told {message.told_length}"
    if not row["is_compacted"] and "".join(message.pieces) != row["text"]:
        yield "its pieces do not make its text"
