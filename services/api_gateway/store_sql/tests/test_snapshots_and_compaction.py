"""Snapshots are of one moment; compaction takes nothing a snapshot would miss."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from services.api_gateway.store import NewSession
from services.api_gateway.store_sql import verify
from services.api_gateway.store_sql.tests.bench import Bench, numbered, reply
from services.api_gateway.wire.frames import SessionSnapshot

HOUR = 3600


async def snapshot_of(bench: Bench) -> SessionSnapshot:
    """The session's snapshot."""
    snapshot = await bench.store.snapshot(bench.session.stream)
    assert isinstance(snapshot.data, SessionSnapshot)
    return snapshot.data


async def test_a_snapshot_shows_the_last_fifty_messages(bench: Bench) -> None:
    for number in range(26):
        await bench.send(f"q{number}")
        await bench.answer(f"a{number}")
    data = await snapshot_of(bench)
    assert [message.text for message in data.messages[:2]] == ["q1", "a1"]
    assert (len(data.messages), data.has_more) == (50, True)
    assert [run.state.value for run in data.runs] == ["finished"]


async def test_a_snapshot_lists_runs_that_wait(bench: Bench) -> None:
    for text in ("one", "two", "three"):
        await bench.send(text)
    data = await snapshot_of(bench)
    assert [run.position for run in data.runs] == [None, 1, 2]
    assert not data.has_more


async def test_a_snapshots_seq_and_words_are_of_one_moment(bench: Bench) -> None:
    await bench.send("hello")
    work = await bench.dispatch()
    proposals = numbered(reply(" ".join("x" for _ in range(300)), "m"))

    async def write() -> None:
        for proposal in proposals[:-1]:
            await bench.store.append_run_events(work.run_id, [proposal])

    writing = asyncio.create_task(write())
    first_delta = 0
    while not writing.done():
        snapshot = await bench.store.snapshot(bench.session.stream)
        assert isinstance(snapshot.data, SessionSnapshot)
        (reply_so_far,) = snapshot.data.messages[1:] or (None,)
        if reply_so_far is not None:
            first_delta = reply_so_far.seq + 1
            pieces = snapshot.seq - first_delta + 1
            assert len(reply_so_far.text) in {pieces * 2, pieces * 2 - 1}
    await writing
    assert first_delta
    await bench.store.append_run_events(work.run_id, proposals[-1:])


async def test_compaction_waits_until_a_run_ended_a_while_ago(bench: Bench) -> None:
    await bench.send("one")
    await bench.answer("a b c")
    assert await bench.store.compact(older_than_seconds=60, limit=100) == 0
    bench.clock.seconds += HOUR
    await bench.send("two")
    await bench.answer("d e")
    assert await bench.store.compact(older_than_seconds=60, limit=100) == 3
    assert await bench.store.compact(older_than_seconds=60, limit=100) == 0
    bench.clock.seconds += HOUR
    assert await bench.store.compact(older_than_seconds=60, limit=100) == 2
    assert await bench.store.compact(older_than_seconds=60, limit=100) == 0


async def test_a_run_that_ended_earlier_moves_no_watermark_back(
    bench: Bench, database: Path
) -> None:
    await bench.send("one")
    await bench.answer("a b c")
    bench.clock.seconds += HOUR
    await bench.send("two")
    await bench.answer("d e")
    # As after a life whose clock was ahead.
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "UPDATE runs SET ended_at = '9999' WHERE created_seq ="
            " (SELECT min(created_seq) FROM runs)"
        )
    bench.clock.seconds += HOUR
    assert await bench.store.compact(older_than_seconds=60, limit=100) == 2
    watermark = (
        await bench.store.log_page(bench.session.stream, 0, 1)
    ).compacted_through
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE runs SET ended_at = '2000' WHERE ended_at = '9999'")
    assert await bench.store.compact(older_than_seconds=60, limit=100) == 3
    page = await bench.store.log_page(bench.session.stream, 0, 1)
    assert page.compacted_through == watermark
    assert await verify(database) == []


async def test_what_is_left_after_compaction_is_dense_and_whole(
    bench: Bench, database: Path
) -> None:
    await bench.send("one")
    await bench.answer("a b c")
    before = await bench.texts()
    log = await bench.log()
    bench.clock.seconds += HOUR
    await bench.store.compact(older_than_seconds=60, limit=100)
    assert await bench.texts() == before
    last_delta = max(e["seq"] for e in log if e["type"] == "message.delta")
    page = await bench.store.log_page(bench.session.stream, 0, 100)
    assert (page.events, page.compacted_through) == ((), last_delta)
    assert page.last_seq == log[-1]["seq"]
    rest = await bench.store.log_page(bench.session.stream, last_delta, 100)
    assert [event.seq for event in rest.events] == [
        event["seq"] for event in log if event["seq"] > last_delta
    ]
    await bench.send("two")
    await bench.answer("d")
    assert (await bench.texts())[-1] == ("complete", "d")
    assert await verify(database) == []


async def test_compaction_does_a_little_at_a_time(bench: Bench) -> None:
    sessions = [bench.session]
    for _ in range(2):
        made = await bench.store.create_session(
            bench.key("session.create"), NewSession(None, has_opening=False)
        )
        sessions.append(made.session)
    for session in sessions:
        bench.session = session
        await bench.send("one")
        await bench.answer("a b c")
    bench.clock.seconds += HOUR
    dropped = [
        await bench.store.compact(older_than_seconds=60, limit=4) for _ in range(3)
    ]
    assert dropped == [6, 3, 0]


async def test_a_founders_stream_keeps_its_last_thousand(bench: Bench) -> None:
    for number in range(1_010):
        await bench.store.update_session(
            bench.key("u"), bench.session_id, title=f"{number}", is_archived=None
        )
    stream = f"founder:{bench.founder_id}"
    last = (await bench.store.log_page(stream, 0, 1)).last_seq
    assert await bench.store.compact(older_than_seconds=0, limit=10_000) == 11
    page = await bench.store.log_page(stream, 11, 2_000)
    assert page.compacted_through == 11
    assert [event.seq for event in page.events] == list(range(12, last + 1))
