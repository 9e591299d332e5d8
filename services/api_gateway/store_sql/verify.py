"""Walks every log of a database and tells what contradicts the promises.

Written against the file alone: it shares the tables with the store, and nothing of
how the store decides. All of it is read at one moment, a stream at a time.
"""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from services.api_gateway.store_sql.connections import connect_reader
from services.api_gateway.store_sql.fold import (
    MessageFold,
    RunFold,
    StreamFold,
    TextFold,
    fold_stream,
)
from services.api_gateway.wire.views import MessageStatus, Role, RunState

__all__ = ["check", "verify"]

_MOST_FINDINGS = 1_000
_STATE_OF_TERMINAL = {
    "run.finished": RunState.FINISHED,
    "run.failed": RunState.FAILED,
    "run.cancelled": RunState.CANCELLED,
}
_MISPLACED = {
    "session without a stream": (
        "SELECT session_id FROM sessions"
        " WHERE 'session:' || session_id NOT IN (SELECT stream FROM streams)"
    ),
    "founder without a stream": (
        "SELECT founder_id FROM founders"
        " WHERE 'founder:' || founder_id NOT IN (SELECT stream FROM streams)"
    ),
    "stream of nothing": (
        "SELECT stream FROM streams"
        " WHERE kind = 'session' AND substr(stream, 9) NOT IN"
        " (SELECT session_id FROM sessions)"
    ),
    "stream of another founder than its session": (
        "SELECT stream FROM sessions"
        " JOIN streams ON stream = 'session:' || session_id"
        " WHERE streams.founder_id != sessions.founder_id"
    ),
    "run of another founder than its session": (
        "SELECT run_id FROM runs JOIN sessions USING (session_id)"
        " WHERE runs.founder_id != sessions.founder_id"
    ),
    "message of another founder than its session": (
        "SELECT message_id FROM messages JOIN sessions USING (session_id)"
        " WHERE messages.founder_id != sessions.founder_id"
    ),
    "message of another session than its run": (
        "SELECT messages.message_id FROM messages JOIN runs USING (run_id)"
        " WHERE messages.session_id != runs.session_id"
    ),
    "step of another founder than its run": (
        "SELECT run_id FROM run_steps JOIN runs USING (run_id)"
        " WHERE run_steps.founder_id != runs.founder_id"
    ),
    "run that answers a message which is not there": (
        "SELECT run_id FROM runs WHERE trigger = 'message' AND"
        " (message_id IS NULL OR message_id NOT IN (SELECT message_id FROM messages))"
    ),
    "lease of a run that may not be executed": (
        "SELECT run_id FROM runs WHERE owner IS NOT NULL"
        " AND (NOT is_head OR ended_at IS NOT NULL)"
    ),
    "run at the head that is over": (
        "SELECT run_id FROM runs WHERE is_head AND ended_at IS NOT NULL"
    ),
    "run under way that nobody owns": (
        "SELECT run_id FROM runs WHERE state IN ('dispatched', 'running')"
        " AND (owner IS NULL OR address IS NULL OR instance_id IS NULL)"
    ),
    "summary of turns that are not there": (
        "SELECT session_id FROM sessions JOIN streams ON stream = 'session:' ||"
        " session_id WHERE (summary_text IS NULL) != (summary_upto_seq IS NULL)"
        " OR summary_upto_seq NOT BETWEEN 1 AND last_seq"
    ),
    "run that waits and was dispatched": (
        "SELECT run_id FROM runs WHERE state = 'queued' AND address IS NOT NULL"
    ),
}


async def verify(path: Path) -> list[str]:
    """Every contradiction found in a database; works beside a running gateway."""
    return await asyncio.to_thread(check, path)


def check(path: Path) -> list[str]:
    """`verify`, for callers without a loop.

    Raises `sqlite3.Error` when the file is no database or cannot be read.
    """
    with closing(connect_reader(path)) as connection:
        connection.execute("BEGIN")
        found = list(islice(_findings(connection), _MOST_FINDINGS + 1))
    if len(found) > _MOST_FINDINGS:
        found[_MOST_FINDINGS:] = ["and more: only the first are shown"]
    return found


def _findings(connection: sqlite3.Connection) -> Iterator[str]:
    try:
        for (problem,) in connection.execute("PRAGMA integrity_check"):
            if problem != "ok":
                yield f"file: {problem}"
        yield from _contradictions(connection)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise
        yield f"file: {error}"


def _contradictions(connection: sqlite3.Connection) -> Iterator[str]:
    for row in connection.execute("PRAGMA foreign_key_check"):
        yield f"{row['table']}: a row of no {row['parent']}"
    for label, query in _MISPLACED.items():
        yield from (f"{label}: {name}" for (name,) in connection.execute(query))
    for stream in connection.execute("SELECT * FROM streams ORDER BY stream"):
        yield from _check_stream(connection, stream)


def _check_stream(connection: sqlite3.Connection, stream: sqlite3.Row) -> Iterator[str]:
    name = stream["stream"]
    fold = fold_stream(connection, stream)
    found = list(fold.numbering)
    if stream["kind"] == "session":
        session_id = name.partition(":")[2]
        found += _check_session(connection, session_id, fold)
        found += _check_runs(connection, session_id, fold)
        found += _check_messages(connection, session_id, fold)
    yield from (f"{name}: {finding}" for finding in found)


def _check_session(
    connection: sqlite3.Connection, session_id: str, fold: StreamFold
) -> Iterator[str]:
    row = connection.execute(
        "SELECT title, is_archived, is_pinned FROM sessions WHERE session_id = ?",
        (session_id,),
    ).fetchone()
    if row is not None and row["title"] != fold.title:
        yield f"is named {row['title']!r}, the log says {fold.title!r}"
    if row is not None and bool(row["is_archived"]) is not fold.is_archived:
        yield "is archived otherwise than the log says"
    if row is not None and bool(row["is_pinned"]) is not fold.is_pinned:
        yield "is pinned otherwise than the log says"


def _check_runs(
    connection: sqlite3.Connection, session_id: str, fold: StreamFold
) -> Iterator[str]:
    rows = connection.execute(
        "SELECT * FROM runs WHERE session_id = ? ORDER BY created_seq", (session_id,)
    ).fetchall()
    heads = [row["run_id"] for row in rows if row["is_head"]]
    waiting = [row["run_id"] for row in rows if row["ended_at"] is None]
    if len(heads) > 1 or (waiting and heads != waiting[:1]):
        yield f"runs {waiting} are not over, at the head: {heads}"
    for run_id in fold.runs.keys() - {row["run_id"] for row in rows}:
        yield f"run {run_id}: in the log and nowhere else"
    for row in rows:
        run = fold.runs.get(row["run_id"], RunFold())
        yield from (f"run {row['run_id']}: {text}" for text in _check_run(row, run))


def _check_run(row: sqlite3.Row, run: RunFold) -> Iterator[str]:
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
    if row["is_compacted"] and run.deltas:
        yield f"is compacted and has {run.deltas} pieces"
    told = run.prompt_tokens, run.completion_tokens
    if (row["prompt_tokens"], row["completion_tokens"]) != told:
        yield f"took other tokens than the log says: {told}"
    yield from _check_run_end(row, run)


def _check_run_end(row: sqlite3.Row, run: RunFold) -> Iterator[str]:
    state = RunState(row["state"])
    told = [_STATE_OF_TERMINAL[kind] for kind in run.terminals]
    if told != ([state] if state.is_final else []):
        yield f"is {state}, its terminal events are {run.terminals}"
    if (row["ended_at"] is not None) != state.is_final:
        yield f"is {state}, ended at {row['ended_at']}"
    if state.is_final and row["is_head"]:
        yield f"is {state} and at the head"


def _check_messages(
    connection: sqlite3.Connection, session_id: str, fold: StreamFold
) -> Iterator[str]:
    missing = set(fold.messages)
    for row in connection.execute(
        "SELECT m.*, r.is_compacted, r.ended_at FROM messages AS m"
        " LEFT JOIN runs AS r USING (run_id) WHERE m.session_id = ?",
        (session_id,),
    ):
        message_id = row["message_id"]
        missing.discard(message_id)
        found = _check_message(row, fold.messages.get(message_id))
        yield from (f"message {message_id}: {text}" for text in found)
    for message_id in missing:
        found = _check_lost(fold.messages[message_id])
        yield from (f"message {message_id}: {text}" for text in found)


def _check_message(row: sqlite3.Row, message: MessageFold | None) -> Iterator[str]:
    if message is None:
        yield "not in the log"
        return
    yield from _check_origin(row, message)
    if row["run_id"] != message.run_id:
        yield f"belongs to run {row['run_id']}, in the log to {message.run_id}"
    if row["seq"] != message.seq:
        yield f"has seq {row['seq']}, in the log {message.seq}"
    if json.loads(row["suggestions"]) != message.suggestions:
        yield "suggests otherwise than the log says"
    if row["feedback"] != message.feedback:
        yield f"is rated {row['feedback']}, in the log {message.feedback}"


def _check_origin(row: sqlite3.Row, message: MessageFold) -> Iterator[str]:
    if message.is_accepted and message.is_started:
        yield "accepted and streamed"
    if message.is_accepted:
        yield from _check_accepted(row, message)
    elif message.copied is not None:
        yield from _check_copy(row, message)
    else:
        yield from _check_ends(message)
        yield from _check_reply(row, message)


def _check_accepted(row: sqlite3.Row, message: MessageFold) -> Iterator[str]:
    is_same_request = row["request_id"] == message.request_id
    if TextFold.of(row["text"]) != message.text or not is_same_request:
        yield "stored otherwise than it was accepted"


def _check_copy(row: sqlite3.Row, message: MessageFold) -> Iterator[str]:
    is_same = (row["role"], row["status"]) == message.copied
    if not is_same or TextFold.of(row["text"]) != message.text:
        yield "stored otherwise than it was copied"


def _check_lost(message: MessageFold) -> Iterator[str]:
    if message.is_accepted:
        yield "accepted and lost"
        return
    if message.copied is not None:
        yield "copied and lost"
        return
    yield from _check_ends(message)
    if not message.ends or message.told_length:
        yield "was shown and lost"


def _check_ends(message: MessageFold) -> Iterator[str]:
    if not message.is_started:
        yield "was never started"
    if message.pieces_after_end:
        yield f"{message.pieces_after_end} pieces after its end"
    if message.ends[1:] not in ([], [MessageStatus.SUPERSEDED.value]):
        yield f"ended more than once: {message.ends}"


def _check_reply(row: sqlite3.Row, message: MessageFold) -> Iterator[str]:
    if row["role"] != Role.COACH.value:
        yield "is the founder's and was streamed"
    last = message.ends[-1] if message.ends else MessageStatus.STREAMING.value
    if row["status"] != last:
        yield f"is {row['status']}, the log says {last}"
    if not message.ends:
        if row["ended_at"] is not None:
            yield "never ended, its run did"
        return
    if len(row["text"]) != message.told_length:
        yield f"has {len(row['text'])} characters, told {message.told_length}"
    if not row["is_compacted"] and TextFold.of(row["text"]) != message.text:
        yield "its pieces do not make its text"
