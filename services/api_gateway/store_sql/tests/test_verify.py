"""The checker finds what it promises to find."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from services.api_gateway.store_sql import open_store
from services.api_gateway.store_sql.tests.bench import (
    Bench,
    Clock,
    Published,
    reply,
    step,
    step_done,
)
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
    "messages: a row of no runs": "DELETE FROM runs",
    "events: a row of no streams": "DELETE FROM streams",
    "sessions: a row of no founders": "DELETE FROM founders",
    "session without a stream": "DELETE FROM streams WHERE kind = 'session'",
    "founder without a stream": "DELETE FROM streams WHERE kind = 'founder'",
    "stream of nothing": "DELETE FROM sessions",
    "stream of another founder": "UPDATE streams SET founder_id = 'other'",
    "run of another founder": "UPDATE runs SET founder_id = 'other'",
    "message of another founder": "UPDATE messages SET founder_id = 'other'",
    "step of another founder": "UPDATE run_steps SET founder_id = 'other'",
    "message of another session": "UPDATE runs SET session_id = 'other'",
    "answers a message which is not there": "UPDATE runs SET message_id = NULL",
    "lease of a run that may not": "UPDATE runs SET owner = 'me' WHERE NOT is_head",
    "under way that nobody owns": (
        "UPDATE runs SET state = 'dispatched' WHERE state = 'queued'"
    ),
    "summary of turns that are not there": (
        "UPDATE sessions SET summary_text = 'notes', summary_upto_seq = 10000"
    ),
    "waits and was dispatched": (
        "UPDATE runs SET address = 'there' WHERE state = 'queued'"
    ),
    "at the head that is over": (
        "UPDATE runs SET ended_at = 'now' WHERE state = 'queued'"
    ),
    "its watermark is": "UPDATE streams SET compacted_through = last_seq + 1",
    "is not above the watermark": "UPDATE streams SET compacted_through = 2",
    "is compacted and has": "UPDATE runs SET is_compacted = 1",
    "is named 'Other', the log says": "UPDATE sessions SET title = 'Other'",
    "is archived otherwise": "UPDATE sessions SET is_archived = 1",
    "took other tokens": "UPDATE runs SET prompt_tokens = 7",
    "suggests otherwise": "UPDATE messages SET suggestions = '[1]'",
    "is rated up, in the log": "UPDATE messages SET feedback = 'up'",
    "has seq": "UPDATE messages SET seq = seq + 100",
    "to run": "UPDATE events SET run_id = 'other' WHERE type = 'message.started'",
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
    work = await bench.dispatch()
    said = [step("s1", "reply"), *reply("well"), step_done("s1")]
    await bench.play(work.run_id, *said, ("run.finished", {}))
    await store.aclose()
    return database


async def test_an_honest_database_has_no_contradiction(talk: Path) -> None:
    assert check(talk) == []


@pytest.mark.parametrize("finding", TAMPERING)
async def test_tampering_is_found(talk: Path, finding: str) -> None:
    with closing(sqlite3.connect(talk)) as connection, connection:
        assert connection.execute(TAMPERING[finding]).rowcount > 0
    assert finding in "\n".join(check(talk))


def test_a_damaged_page_is_found(talk: Path) -> None:
    with talk.open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xff" * 100)
    assert "file: " in "\n".join(check(talk))


async def test_only_the_first_of_many_findings_are_told(talk: Path) -> None:
    strangers = [(f"{number}", "now") for number in range(1_001)]
    with closing(sqlite3.connect(talk)) as connection, connection:
        connection.executemany("INSERT INTO founders VALUES (?, ?)", strangers)
    assert check(talk)[-1] == "and more: only the first are shown"


async def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        check(tmp_path / "nothing.db")
