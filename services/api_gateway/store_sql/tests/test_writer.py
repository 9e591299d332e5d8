"""Group commit: many units, few commits, nothing told before it is stored."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from services.api_gateway.errors import SessionUnknownError, StoreUnavailableError
from services.api_gateway.fanout import LoggedEvent
from services.api_gateway.store import CommandKey, WhenBusy
from services.api_gateway.store_sql import writer as writer_module
from services.api_gateway.store_sql.log import Tx
from services.api_gateway.store_sql.opening import open_store
from services.api_gateway.store_sql.store import SqlStore
from services.api_gateway.store_sql.tests.bench import (
    Bench,
    Clock,
    Published,
    ended,
    opened,
    started,
)


class Held:
    """A unit that keeps the writer busy until it is let go."""

    def __init__(self, store: SqlStore) -> None:
        self._entered, self._release = threading.Event(), threading.Event()
        self._task = asyncio.create_task(
            store.writer.submit(self._wait, is_durable=False)
        )

    def _wait(self, _tx: Tx) -> None:
        self._entered.set()
        assert self._release.wait(30)

    async def entered(self) -> None:
        """Wait until the writer executes it."""
        await asyncio.to_thread(self._entered.wait, 30)

    async def let_go(self) -> None:
        """Let the writer go on."""
        self._release.set()
        await self._task


def synchronous(tx: Tx) -> int:
    """How the connection waits for the disk: 1 is NORMAL, 2 is FULL."""
    (level,) = tx.connection.execute("PRAGMA synchronous").fetchone()
    return int(level)


@pytest.fixture
def sql_store(bench: Bench) -> SqlStore:
    """The adapter itself, for what the port does not show."""
    assert isinstance(bench.store, SqlStore)
    return bench.store


async def test_what_gathers_during_a_commit_is_committed_together(
    bench: Bench, sql_store: SqlStore
) -> None:
    held = Held(sql_store)
    await held.entered()
    before = sql_store.writer.counters.commits
    titles = [
        asyncio.create_task(
            bench.store.update_session(
                bench.key("u"), bench.session_id, title=f"{n}", is_archived=None
            )
        )
        for n in range(100)
    ]
    while sql_store.writer.queue_depth < 101:
        await asyncio.sleep(0)
    await held.let_go()
    results = await asyncio.gather(*titles)
    assert sql_store.writer.counters.commits - before == 2
    assert [result.session.title for result in results] == [f"{n}" for n in range(100)]


async def test_a_refused_unit_does_not_spoil_its_batch(
    bench: Bench, sql_store: SqlStore
) -> None:
    def write_and_raise(tx: Tx) -> None:
        tx.append(bench.session.stream, "session.updated", {"session": {}})
        tx.ended_streams.append("nothing")
        raise ValueError("after a write")

    held = Held(sql_store)
    await held.entered()
    other = CommandKey(bench.founder_id, "message.send", None, "")
    units = [
        asyncio.create_task(bench.send("one")),
        asyncio.create_task(sql_store.writer.submit(write_and_raise, is_durable=False)),
        asyncio.create_task(
            bench.store.accept_message(other, "unknown", "hi", WhenBusy.WAIT)
        ),
        asyncio.create_task(bench.send("two")),
    ]
    await asyncio.sleep(0)
    before = sql_store.writer.counters.commits
    await held.let_go()
    results = await asyncio.gather(*units, return_exceptions=True)
    assert sql_store.writer.counters.commits - before == 2
    assert isinstance(results[1], ValueError)
    assert isinstance(results[2], SessionUnknownError)
    assert [text for _, text in await bench.texts()] == ["one", "two"]
    assert [event.seq for event in bench.published.of(bench.session.stream)] == list(
        range(1, len(await bench.log()) + 1)
    )
    assert bench.published.ended == []


async def test_a_cancelled_caller_does_not_undo_the_commit(
    bench: Bench, sql_store: SqlStore
) -> None:
    held = Held(sql_store)
    await held.entered()
    sending = asyncio.create_task(bench.send("kept"))
    other = asyncio.create_task(bench.send("told"))
    await asyncio.sleep(0)
    sending.cancel()
    await held.let_go()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await other
    assert [text for _, text in await bench.texts()] == ["kept", "told"]
    assert "message.accepted" in [event.type for event in bench.published.events]


async def test_events_are_published_on_the_loop_before_the_caller_goes_on(
    database: Path,
) -> None:
    threads: set[int] = set()
    published = Published()

    def publish(events: Sequence[LoggedEvent]) -> None:
        threads.add(threading.get_ident())
        published.events.extend(events)

    clock = Clock()
    store = await open_store(
        path=database, publish=publish, end_stream=published.ended.append, clock=clock
    )
    bench = await Bench.begin(store, published, clock)
    for text in ("one", "two", "three"):
        accepted = await bench.send(text)
        seqs = [event.seq for event in published.of(bench.session.stream)]
        assert accepted.seq in seqs
    await store.aclose()
    assert threads == {threading.get_ident()}
    seqs = [event.seq for event in published.of(bench.session.stream)]
    assert seqs == list(range(1, len(seqs) + 1))


async def test_callers_wait_when_too_much_is_under_way(
    bench: Bench, sql_store: SqlStore
) -> None:
    held = Held(sql_store)
    await held.entered()
    capacity = sql_store.writer.capacity
    extra = 10
    calls = [
        asyncio.create_task(sql_store.renew_leases(f"{n}"))
        for n in range(capacity + extra)
    ]
    for _ in range(3):
        await asyncio.sleep(0)
    assert sql_store.writer.queue_depth == capacity
    await held.let_go()
    await asyncio.gather(*calls)
    assert sql_store.writer.queue_depth == 0
    assert await bench.log()


async def test_a_closed_store_refuses(database: Path) -> None:
    store = await open_store(
        path=database, publish=lambda _events: None, end_stream=lambda _stream: None
    )
    await store.aclose()
    await store.aclose()
    with pytest.raises(StoreUnavailableError):
        await store.create_founder("hash")


async def test_a_refused_unit_alone_leaves_nothing_behind(
    bench: Bench, sql_store: SqlStore
) -> None:
    def write_and_raise(tx: Tx) -> None:
        tx.append(bench.session.stream, "session.updated", {"session": {}})
        tx.ended_streams.append("nothing")
        raise ValueError("after a write")

    before = await bench.log()
    published = len(bench.published.events)
    with pytest.raises(ValueError, match="after a write"):
        await sql_store.writer.submit(write_and_raise, is_durable=False)
    assert await bench.log() == before
    assert len(bench.published.events) == published
    assert bench.published.ended == []


async def test_what_the_database_refuses_one_unit_is_refused_to_that_unit_alone(
    bench: Bench, sql_store: SqlStore
) -> None:
    def write_and_contradict(tx: Tx) -> None:
        tx.append(bench.session.stream, "session.updated", {"session": {}})
        tx.connection.execute("INSERT INTO streams SELECT * FROM streams LIMIT 1")

    held = Held(sql_store)
    await held.entered()
    units = [
        asyncio.create_task(
            sql_store.writer.submit(write_and_contradict, is_durable=False)
        ),
        asyncio.create_task(bench.send("kept")),
    ]
    await asyncio.sleep(0)
    await held.let_go()
    refused, _ = await asyncio.gather(*units, return_exceptions=True)
    assert isinstance(refused, sqlite3.IntegrityError)
    assert [text for _, text in await bench.texts()] == ["kept"]
    assert sql_store.writer.counters.failed_commits == 0


async def test_what_is_put_off_is_there_for_whoever_comes_next(
    bench: Bench, sql_store: SqlStore
) -> None:
    """Pieces, then a command in the same session and a reader of the log."""
    await bench.send()
    run_id = (await bench.dispatch()).run_id
    await bench.play(run_id, started(), *opened("m", "a"))
    held = Held(sql_store)
    await held.entered()
    first = asyncio.create_task(bench.play(run_id, *opened("m", "b", "c")[1:], after=3))
    others = [
        asyncio.create_task(bench.send("meanwhile")),
        asyncio.create_task(bench.play(run_id, *opened("m", "d")[1:], after=5)),
        asyncio.create_task(bench.play(run_id, ended("m", 4), after=6)),
    ]
    while sql_store.writer.queue_depth < 5:
        await asyncio.sleep(0)
    before = sql_store.writer.counters.commits
    await held.let_go()
    await asyncio.gather(*others)
    assert (await first).last_offset == 5
    assert sql_store.writer.counters.commits - before == 2
    assert ("complete", "abcd") in await bench.texts()
    seqs = [event["seq"] for event in await bench.log()]
    assert seqs == list(range(1, len(seqs) + 1))
    assert [event.seq for event in bench.published.of(bench.session.stream)] == seqs


async def test_what_a_refused_unit_put_off_is_not_written(
    bench: Bench, sql_store: SqlStore
) -> None:
    stream = bench.session.stream
    before = await bench.log()

    def put_off_and_raise(tx: Tx) -> None:
        rows: list[tuple[None, str, dict[str, object]]] = [
            (None, "session.updated", {"session": {}})
        ]
        tx.append_run(stream, None, rows, last_seq=tx.last_seq(stream))
        raise ValueError("after it was put off")

    with pytest.raises(ValueError, match="after it was put off"):
        await sql_store.writer.submit(
            put_off_and_raise, is_durable=False, is_patient=True
        )
    assert await bench.log() == before
    assert len(bench.published.of(stream)) == len(before)


@pytest.mark.parametrize("follower", ["command", "piece", "nothing"])
async def test_what_is_put_off_and_refused_is_refused_to_its_own_unit(
    bench: Bench, sql_store: SqlStore, follower: str
) -> None:
    """The database refuses it when another unit, or the commit, has it written."""
    await bench.send()
    run_id = (await bench.dispatch()).run_id
    await bench.play(run_id, started(), *opened("m", "a"))
    stream = bench.session.stream

    def contradict(tx: Tx) -> None:
        tx.append_run(stream, run_id, [(3, "message.delta", {})], last_seq=999)

    held = Held(sql_store)
    await held.entered()
    submit = sql_store.writer.submit
    units: list[asyncio.Task[Any]] = [
        asyncio.create_task(submit(contradict, is_durable=False, is_patient=True))
    ]
    if follower == "command":
        units.append(asyncio.create_task(bench.send("kept")))
    elif follower == "piece":
        more = (*opened("m", "b")[1:], ended("m", 2))
        units.append(asyncio.create_task(bench.play(run_id, *more, after=3)))
    while sql_store.writer.queue_depth < 1 + len(units):
        await asyncio.sleep(0)
    await held.let_go()
    refused, *others = await asyncio.gather(*units, return_exceptions=True)
    assert isinstance(refused, sqlite3.IntegrityError)
    assert not any(isinstance(other, BaseException) for other in others)
    assert sql_store.writer.counters.failed_commits == 0
    texts = [text for _, text in await bench.texts()]
    assert (
        texts[1:]
        == {"command": ["a", "kept"], "piece": ["ab"], "nothing": ["a"]}[follower]
    )
    assert [event.seq for event in bench.published.of(stream)] == [
        event["seq"] for event in await bench.log()
    ]


@pytest.mark.parametrize("is_spoiled", [False, True])
async def test_a_file_that_fails_under_a_unit_fails_its_batch_and_is_opened_anew(
    bench: Bench, sql_store: SqlStore, *, is_spoiled: bool
) -> None:
    def spoil(tx: Tx) -> None:
        tx.append(bench.session.stream, "session.updated", {"session": {}})
        raise ValueError("after a write")

    def fail(tx: Tx) -> None:
        tx.connection.execute("PRAGMA query_only = ON")
        tx.append(bench.session.stream, "session.updated", {"session": {}})

    held = Held(sql_store)
    await held.entered()
    units = [
        asyncio.create_task(sql_store.writer.submit(work, is_durable=False))
        for work in ((spoil, fail) if is_spoiled else (fail, lambda _tx: None))
    ]
    await asyncio.sleep(0)
    await held.let_go()
    refusals = await asyncio.gather(*units, return_exceptions=True)
    assert [type(refusal) for refusal in refusals] == [StoreUnavailableError] * 2
    assert sql_store.writer.counters.failed_commits == 1
    assert await sql_store.writer.submit(synchronous, is_durable=False) == 1
    await bench.send("after")
    assert [text for _, text in await bench.texts()] == ["after"]


async def test_what_is_refused_before_it_writes_is_tried_once(
    sql_store: SqlStore,
) -> None:
    tries = []

    def refuse(_tx: Tx) -> None:
        tries.append(1)
        raise ValueError("before any write")

    with pytest.raises(ValueError, match="before any write"):
        await sql_store.writer.submit(refuse, is_durable=False)
    assert len(tries) == 1
    assert sql_store.writer.counters.failed_commits == 0


async def test_a_commit_has_a_bounded_number_of_units(database: Path) -> None:
    commits: list[int] = []
    told_seconds: list[float] = []

    def on_commit(units: int, seconds: float) -> None:
        commits.append(units)
        told_seconds.append(seconds)

    began = time.perf_counter()
    store = await open_store(
        path=database,
        publish=lambda _events: None,
        end_stream=lambda _stream: None,
        on_commit=on_commit,
    )
    held = Held(store)
    await held.entered()
    commits.clear()
    calls = [asyncio.create_task(store.renew_leases(f"{n}")) for n in range(600)]
    while store.writer.queue_depth < 601:
        await asyncio.sleep(0)
    await held.let_go()
    await asyncio.gather(*calls)
    counters = store.writer.counters.as_dict()
    await store.aclose()
    assert commits[:4] == [1, 256, 256, 88]
    assert min(told_seconds) > 0
    assert sum(told_seconds) < time.perf_counter() - began
    assert counters == {"units": 601, "commits": 4, "events": 0, "failed_commits": 0}


async def test_patient_units_rest_between_their_commits(
    sql_store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "_REST_SECONDS", 0.2)
    began = time.monotonic()
    for _ in range(3):
        await sql_store.writer.submit(
            lambda _tx: None, is_durable=False, is_patient=True
        )
    assert time.monotonic() - began >= 0.4


async def test_a_unit_that_is_not_patient_ends_the_rest(
    sql_store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def be_patient() -> None:
        await sql_store.writer.submit(
            lambda _tx: None, is_durable=False, is_patient=True
        )

    await be_patient()
    monkeypatch.setattr(writer_module, "_REST_SECONDS", 3_600.0)
    before = sql_store.writer.counters.commits
    patient = asyncio.create_task(be_patient())
    await asyncio.wait([patient], timeout=0.2)
    assert not patient.done()
    await sql_store.writer.submit(lambda _tx: None, is_durable=False)
    await patient
    assert sql_store.writer.counters.commits - before == 1


async def test_an_ending_waits_for_no_rest(
    bench: Bench, sql_store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.send()
    run_id = (await bench.dispatch()).run_id
    await bench.play(run_id, started(), *opened("m", "a"), ended("m", 1))
    await sql_store.writer.submit(lambda _tx: None, is_durable=False, is_patient=True)
    monkeypatch.setattr(writer_module, "_REST_SECONDS", 3_600.0)
    async with asyncio.timeout(10):
        appended = await bench.play(run_id, ("run.finished", {}), after=4)
    assert appended.is_over


async def test_streams_that_ended_are_told(bench: Bench, sql_store: SqlStore) -> None:
    def end(tx: Tx) -> None:
        tx.ended_streams.extend(["session:one", "session:two"])

    await sql_store.writer.submit(end, is_durable=False)
    assert bench.published.ended == ["session:one", "session:two"]


async def test_a_unit_has_the_clocks_time_unless_that_was_set_back(
    bench: Bench, sql_store: SqlStore
) -> None:
    async def told_at(seconds: float) -> str:
        bench.clock.seconds = seconds
        return await sql_store.writer.submit(lambda tx: tx.now, is_durable=False)

    noon = 1_800_014_400.0
    assert await told_at(noon) == "2027-01-15T12:00:00.000Z"
    assert await told_at(noon) == "2027-01-15T12:00:00.000Z"
    assert await told_at(noon + 60) == "2027-01-15T12:01:00.000Z"
    assert await told_at(noon) == "2027-01-15T12:01:00.001Z"
    assert await told_at(noon) == "2027-01-15T12:01:00.002Z"
    assert await told_at(noon + 120) == "2027-01-15T12:02:00.000Z"


async def test_only_what_must_survive_a_power_cut_waits_for_the_disk(
    sql_store: SqlStore,
) -> None:
    levels = [
        await sql_store.writer.submit(synchronous, is_durable=is_durable)
        for is_durable in (True, False, False, True)
    ]
    assert levels == [2, 1, 1, 2]
