"""The checker finds what it promises to find."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from services.api_gateway.store_sql import open_store
from services.api_gateway.store_sql.tests.bench import Bench, Clock, Published
from services.api_gateway.store_sql.verify import check

TAMPERING = {
    "seq 5 follows 3": "DELETE FROM events WHERE stream LIKE 'session:%' AND seq = 4",
    "last seq is": "UPDATE streams SET last_seq = last_seq + 1",
    "its terminal events are []": "DELETE FROM events WHERE type = 'run.finished'",
    "never ended, its run did": "DELETE FROM events WHERE type = 'message.finished'",
    "is complete, the log says": (
        "UPDATE events SET data = replace(data, 'complete', 'failed')"
        " WHERE type = 'message.finished'"
    ),
    "started 2 times": (
        "UPDATE events SET type = 'run.started' WHERE type = 'message.started'"
    ),
    "created 0 times": "DELETE FROM events WHERE type = 'run.created'",
    "offsets do not ascend": (
        "UPDATE events SET run_offset = 99 WHERE type = 'run.started'"
    ),
    "offsets are there": "UPDATE runs SET last_offset = last_offset + 1",
    "its pieces do not make its text": (
        "UPDATE messages SET text = 'w_ll' WHERE role = 'coach'"
    ),
    "characters, told": "UPDATE messages SET text = 'welly' WHERE role = 'coach'",
    "stored otherwise than it was accepted": (
        "UPDATE messages SET text = 'hello!' WHERE role = 'founder'"
    ),
    "accepted and lost": "DELETE FROM messages WHERE role = 'founder'",
    "was shown and lost": "DELETE FROM messages WHERE role = 'coach'",
    "was never started": "DELETE FROM events WHERE type = 'message.started'",
    "are not over, at the head: []": "UPDATE runs SET is_head = 0",
    "message of no run": "DELETE FROM runs",
    "event of no stream": "DELETE FROM streams",
    "session of no founder": "DELETE FROM founders",
    "in the log and nowhere else": "DELETE FROM runs WHERE is_head",
    "is running, its terminal events are": (
        "UPDATE runs SET state = 'running' WHERE NOT is_head"
    ),
    "events after its end": (
        "UPDATE events SET type = 'run.failed' WHERE type = 'message.finished'"
    ),
    "not in the log": "DELETE FROM events WHERE type LIKE 'message.%'",
}


@pytest.fixture
async def talk(database: Path) -> Path:
    """A database with one answered message and one that waits."""
    published, clock = Published(), Clock()
    store = await open_store(
        path=database,
        publish=published.events.extend,
        end_stream=published.ended.append,
        clock=clock,
    )
    bench = await Bench.begin(store, published, clock)
    await bench.send("hello")
    await bench.send("again")
    await bench.answer("well")
    await store.aclose()
    return database


async def test_an_honest_database_has_no_contradiction(talk: Path) -> None:
    assert check(talk) == []


@pytest.mark.parametrize("finding", TAMPERING)
async def test_tampering_is_found(talk: Path, finding: str) -> None:
    with closing(sqlite3.connect(talk)) as connection, connection:
        assert connection.execute(TAMPERING[finding]).rowcount > 0
    assert finding in "\n".join(check(talk))


async def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        check(tmp_path / "nothing.db")
