"""Group commit: many units, few commits, nothing told before it is stored."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from services.api_gateway.errors import SessionUnknownError, StoreUnavailableError
from services.api_gateway.fanout import LoggedEvent
from services.api_gateway.store import CommandKey, WhenBusy
from services.api_gateway.store_sql.log import Tx
from services.api_gateway.store_sql.store import SqlStore, open_store
from services.api_gateway.store_sql.tests.bench import Bench, Clock, Published


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
    await asyncio.sleep(0)
    sending.cancel()
    await held.let_go()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await bench.store.status()
    assert [text for _, text in await bench.texts()] == ["kept"]
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
