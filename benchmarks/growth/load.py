"""Fills a database with talks that were had, in bulk and without the store.

What it writes is what the store would have written: `data-verify` finds nothing.
"""

import asyncio
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from services.api_gateway.store_sql import open_store
from services.api_gateway.store_sql.search_index import TITLES_FROM
from services.api_gateway.store_sql.words import indexed_words

__all__ = ["LONG_TURNS", "Loaded", "load"]

LONG_TURNS = 1_000
"""Of the one long session every database has."""

_TURNS = 4
_DELTAS = 19
_EVENTS_PER_TURN = _DELTAS + 6
_RUN_OFFSETS = _DELTAS + 4
_WORD = "a word or two "
_REPLY = _WORD * _DELTAS
_BEGAN = datetime.now(UTC) - timedelta(days=30)

_FAST = (
    "PRAGMA journal_mode = OFF",
    "PRAGMA synchronous = OFF",
    "PRAGMA cache_size = -512000",
)
_TALKS = """
CREATE TEMP TABLE talks (
    session_id TEXT PRIMARY KEY, number INTEGER, turns INTEGER, founder_id TEXT,
    at TEXT
) WITHOUT ROWID
"""
_TURNS_TABLE = """
CREATE TEMP TABLE turns AS
WITH RECURSIVE n(turn) AS (SELECT 0 UNION ALL SELECT turn + 1 FROM n WHERE turn < 999)
SELECT session_id, number, founder_id, turn, at,
    substr(session_id, 1, 24) || printf('%012x', turn * 4 + 1) AS run_id,
    substr(session_id, 1, 24) || printf('%012x', turn * 4 + 2) AS asked_id,
    substr(session_id, 1, 24) || printf('%012x', turn * 4 + 3) AS reply_id
FROM talks JOIN n ON turn < turns ORDER BY session_id, turn
"""
_EVENTS = """
INSERT INTO events (stream, seq, ts, type, run_id, run_offset, data)
SELECT 'session:' || session_id, 1 + turn * :events + step, at, type, run_id,
    CASE WHEN step > 2 THEN step - 2 END,
    CASE type
    WHEN 'message.delta' THEN
        '{"message_id":"' || reply_id || '","text":"' || :word || '"}'
    WHEN 'message.accepted' THEN
        '{"message_id":"' || asked_id || '","request_id":"' || asked_id
        || '","text":"Question ' || turn || ' of ' || number
        || '","run_id":"' || run_id || '"}'
    WHEN 'run.created' THEN
        '{"run_id":"' || run_id || '","trigger":"message","message_id":"' || asked_id
        || '","parent_run_id":null}'
    WHEN 'run.started' THEN '{"crew":"coach","digest":"sha256:0","generations":{}}'
    WHEN 'message.started' THEN
        '{"message_id":"' || reply_id || '","agent":"coach"}'
    WHEN 'message.finished' THEN
        '{"message_id":"' || reply_id || '","status":"complete","length":' || :length
        || '}'
    ELSE '{}' END
FROM turns CROSS JOIN steps ORDER BY session_id, turn, step
"""
_CREATED = """
INSERT INTO events (stream, seq, ts, type, data)
SELECT 'session:' || session_id, 1, at, 'session.created',
    '{"session":{"title":"Talk ' || number || '","archived":false}}'
FROM talks ORDER BY session_id
"""
_STREAMS = """
INSERT INTO streams (stream, founder_id, kind, last_seq, compacted_through)
SELECT 'session:' || session_id, founder_id, 'session', 1 + turns * :events, 0
FROM talks ORDER BY session_id
"""
_SESSIONS = """
INSERT INTO sessions (number, session_id, founder_id, title, title_folded,
    is_archived, is_pinned, created_at, updated_at)
SELECT number, session_id, founder_id, 'Talk ' || number, 'talk ' || number,
    0, 0, at, at FROM talks
"""
_RUNS = """
INSERT INTO runs (run_id, session_id, founder_id, trigger, message_id, state,
    created_seq, is_head, lease_until_ms, last_offset, ignored_events,
    is_cancel_requested, prompt_tokens, completion_tokens, created_at, started_at,
    ended_at, is_compacted)
SELECT run_id, session_id, founder_id, 'message', asked_id, 'finished',
    3 + turn * :events, 0, 0, :offsets, 0, 0, 0, 0, at, at, at, 0
FROM turns
"""
_ASKED = """
INSERT INTO messages (message_id, session_id, founder_id, run_id, role, text, status,
    seq, request_id, suggestions, feedback, created_at, finished_at)
SELECT asked_id, session_id, founder_id, run_id, 'founder',
    'Question ' || turn || ' of ' || number, 'complete', 2 + turn * :events, asked_id,
    '[]', 'none', at, at FROM turns
"""
_REPLIED = """
INSERT INTO messages (message_id, session_id, founder_id, run_id, role, text, status,
    seq, agent, suggestions, feedback, created_at, finished_at)
SELECT reply_id, session_id, founder_id, run_id, 'coach', :reply, 'complete',
    5 + turn * :events, 'coach', '[]', 'none', at, at FROM turns
"""
_WORDS = """
INSERT INTO search_index (rowid, words)
SELECT number, indexed_words(founder_id, text) FROM messages
"""
_TITLES = """
INSERT INTO search_index (rowid, words)
SELECT number + :titles_from, indexed_words(founder_id, title) FROM sessions
"""
_ROWS = (_CREATED, _EVENTS, _STREAMS, _SESSIONS, _RUNS, _ASKED, _REPLIED)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A filled database and what is in it."""

    path: Path
    founder_id: str
    """Whose all sessions are but the long one."""
    sessions: list[str]
    other_founder_id: str
    long_session: str
    events: int


def load(path: Path, sessions: int) -> Loaded:
    """Make a database with so many sessions of one founder and a long one's."""
    founder_id, other_id = asyncio.run(_begin(path))
    talks = [
        (str(uuid4()), number, _TURNS, founder_id) for number in range(1, sessions + 1)
    ]
    talks.append((str(uuid4()), sessions + 1, LONG_TURNS, other_id))
    given = {
        "events": _EVENTS_PER_TURN,
        "offsets": _RUN_OFFSETS,
        "word": _WORD,
        "reply": _REPLY,
        "length": len(_REPLY),
        "titles_from": TITLES_FROM,
    }
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.create_function("indexed_words", 2, indexed_words)
        for pragma in _FAST:
            connection.execute(pragma)
        connection.execute("BEGIN")
        indexes = _drop_indexes(connection)
        connection.execute(_TALKS)
        connection.executemany(
            "INSERT INTO talks VALUES (?, ?, ?, ?, ?)",
            ((*talk, _moment(talk[1])) for talk in talks),
        )
        connection.execute(_TURNS_TABLE)
        connection.execute("CREATE TEMP TABLE steps (step INTEGER, type TEXT)")
        connection.executemany("INSERT INTO steps VALUES (?, ?)", _steps())
        for statement in (*_ROWS, _WORDS, _TITLES):
            connection.execute(statement, given)
        for statement in indexes:
            connection.execute(statement)
        (events,) = connection.execute("SELECT count(*) FROM events").fetchone()
        connection.execute("COMMIT")
    with path.open("rb") as file:
        os.fsync(file.fileno())
    *names, long_session = (talk[0] for talk in talks)
    return Loaded(path, founder_id, names, other_id, long_session, events)


async def _begin(path: Path) -> tuple[str, str]:
    store = await open_store(
        path=path, publish=lambda _events: None, end_stream=lambda _stream: None
    )
    founder = await store.create_founder("hash")
    other = await store.create_founder("other hash")
    await store.aclose()
    return founder.founder_id, other.founder_id


def _drop_indexes(connection: sqlite3.Connection) -> list[str]:
    """Drop what is faster built at the end; returns how to build it."""
    rows = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
        " AND tbl_name IN ('events', 'messages', 'runs', 'sessions')"
    ).fetchall()
    for name, _ in rows:
        connection.execute(f"DROP INDEX {name}")
    return [sql for _, sql in rows]


def _steps() -> Iterator[tuple[int, str]]:
    """A turn's events in order."""
    types = [
        *("message.accepted", "run.created", "run.started", "message.started"),
        *["message.delta"] * _DELTAS,
        *("message.finished", "run.finished"),
    ]
    return iter(enumerate(types, 1))


def _moment(number: int) -> str:
    moment = _BEGAN + timedelta(seconds=number)
    return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
