"""Files changed under a running store, copies put back by hand, doubtful commits."""

import shutil
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, override

import pytest

from services.api_gateway.errors import StoreUnavailableError
from services.api_gateway.fanout import LoggedEvent
from services.api_gateway.store import NewSession, WhenBusy
from services.api_gateway.store_sql import open_store, verify
from services.api_gateway.store_sql.connections import connect_writer
from services.api_gateway.store_sql.store import SqlStore
from services.api_gateway.store_sql.tests.bench import Bench, Clock, Published

HOUR = 3600
_QUIET_SESSION = NewSession(None, has_opening=False)
_WAIT = WhenBusy.WAIT


@dataclass(slots=True)
class Life:
    """A store, a founder and a session in it."""

    store: SqlStore
    bench: Bench
    published: Published


async def lived(path: Path, *, clock: Clock | None = None) -> Life:
    """Begin a life of the database, with a session in it."""
    published, told = Published(), clock or Clock()
    store = await open_store(
        path=path,
        publish=published.events.extend,
        end_stream=published.ended.append,
        clock=told,
    )
    return Life(store, await Bench.begin(store, published, told), published)


@pytest.fixture
async def life(database: Path) -> AsyncIterator[Life]:
    """A life that is ended whatever became of its files."""
    begun = await lived(database)
    yield begun
    await begun.store.aclose()


def beside(database: Path, suffix: str) -> Path:
    """A file beside the database."""
    return database.with_name(f"{database.name}{suffix}")


def truncate(database: Path) -> None:
    """Cut the file in half."""
    size = database.stat().st_size
    with database.open("r+b") as file:
        file.truncate(size // 2)


async def test_a_replaced_file_refuses_writes_and_shows_what_was(
    life: Life, database: Path
) -> None:
    await life.bench.send("before")
    aside = beside(database, ".aside")
    shutil.move(database, aside)
    shutil.copyfile(aside, database)
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="restart the gateway"):
            await life.bench.send("lost")
    assert [text for _, text in await life.bench.texts()] == ["before"]
    status = await life.store.status()
    assert not status.is_writable
    assert status.counters["failed_commits"] == 3
    shutil.move(aside, database)
    await life.bench.send("after")
    assert [text for _, text in await life.bench.texts()] == ["before", "after"]
    assert await verify(database) == []


async def test_a_removed_file_refuses_writes(life: Life, database: Path) -> None:
    shutil.move(database, beside(database, ".aside"))
    with pytest.raises(StoreUnavailableError, match="restart the gateway"):
        await life.bench.send("lost")
    assert await life.bench.texts() == []


async def test_a_truncated_file_refuses_writes_and_the_next_start(
    database: Path,
) -> None:
    life = await lived(database)
    await life.bench.send("before")
    truncate(database)
    with pytest.raises(StoreUnavailableError, match="restart the gateway"):
        await life.bench.send("lost")
    await life.store.aclose()
    for suffix in ("-wal", "-shm"):
        beside(database, suffix).unlink(missing_ok=True)
    with pytest.raises(StoreUnavailableError, match="malformed"):
        await lived(database)


async def test_a_removed_log_refuses_writes_and_loses_nothing_by_a_stop(
    database: Path,
) -> None:
    life = await lived(database)
    epoch = life.store.epoch
    await life.bench.send("before")
    beside(database, "-wal").unlink()
    with pytest.raises(StoreUnavailableError, match="restart the gateway"):
        await life.bench.send("lost")
    await life.store.aclose()
    again = await lived(database)
    assert again.store.epoch != epoch
    life.bench.store = again.store
    assert [text for _, text in await life.bench.texts()] == ["before"]
    await again.store.aclose()
    assert await verify(database) == []


async def test_a_log_without_its_database_is_not_written_into_another(
    database: Path,
) -> None:
    life = await lived(database)
    for suffix in ("", "-wal"):
        shutil.copyfile(beside(database, suffix), beside(database, f"{suffix}.kept"))
    await life.store.aclose()
    shutil.move(database, beside(database, ".replaced"))
    shutil.copyfile(beside(database, "-wal.kept"), beside(database, "-wal"))
    with pytest.raises(StoreUnavailableError, match="without its database"):
        await lived(database)
    shutil.copyfile(beside(database, ".kept"), database)
    with pytest.raises(StoreUnavailableError, match="belongs to another file"):
        await lived(database)


@pytest.mark.parametrize("is_in_place", [False, True])
async def test_a_copy_put_back_by_hand_has_an_epoch_of_its_own(
    database: Path, *, is_in_place: bool
) -> None:
    first = await lived(database)
    await first.store.aclose()
    copies = {beside(database, s): beside(database, f"{s}.old") for s in ("", ".life")}
    for one, copy in copies.items():
        shutil.copy2(one, copy)
    second = await lived(database)
    assert second.store.epoch == first.store.epoch
    await second.store.aclose()
    for one, copy in copies.items():
        if not is_in_place:
            one.unlink()
        shutil.copy2(copy, one)
    third = await lived(database)
    assert third.store.epoch != first.store.epoch
    await third.store.aclose()


async def test_a_clock_set_back_keeps_the_order_of_what_happens(
    database: Path,
) -> None:
    clock = Clock()
    life = await lived(database, clock=clock)
    bench = life.bench
    await bench.send("one")
    work = await bench.claim()
    first = bench.session
    clock.seconds -= HOUR
    other = await bench.store.create_session(
        bench.key("session.create"), _QUIET_SESSION
    )
    accepted = await bench.send("two")
    assert accepted.position == 1
    page = await bench.store.sessions(
        bench.founder_id, cursor=None, limit=10, is_archived=False, title_query=None
    )
    assert [one.session_id for one in page.sessions] == [
        first.session_id,
        other.session.session_id,
    ]
    stamps = [event["ts"] for event in await bench.log()]
    assert stamps == sorted(stamps)
    await bench.store.renew_leases("gateway-1")
    assert await bench.store.adopt_runs("gateway-2") == []
    assert work.text == "one"
    assert await bench.store.compact(older_than_seconds=60, limit=100) == 0
    assert await bench.store.forget_requests(older_than_seconds=60) == 0
    await life.store.aclose()
    assert await verify(database) == []


class DoubtfulConnection(sqlite3.Connection):
    """Commits as told, and may say afterwards that it failed."""

    doubts: "Doubts | None" = None

    @override
    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        cursor = super().execute(sql, parameters)
        if sql == "COMMIT" and self.doubts is not None:
            self.doubts.raise_when_due()
        return cursor


@dataclass(slots=True)
class Doubts:
    """How many of the next commits fail after they were made."""

    due: int = 0
    connections: list[DoubtfulConnection] = field(default_factory=list)

    def connect(self, path: Path) -> sqlite3.Connection:
        """Open a connection whose commits may be in doubt."""
        connect_writer(path).close()
        connection = sqlite3.connect(
            path,
            isolation_level=None,
            check_same_thread=False,
            factory=DoubtfulConnection,
        )
        connection.row_factory = sqlite3.Row
        connection.doubts = self
        return connection

    def raise_when_due(self) -> None:
        """Fail like a disk whose last write was not confirmed."""
        if self.due:
            self.due -= 1
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error


def seqs(events: list[LoggedEvent]) -> list[int]:
    """The numbers of events."""
    return [event.seq for event in events]


@pytest.mark.parametrize("failures", [1, 2])
async def test_what_a_failed_commit_stored_is_published_once_and_in_order(
    database: Path, failures: int
) -> None:
    doubts, published, clock = Doubts(), Published(), Clock()
    store = await open_store(
        path=database,
        publish=published.events.extend,
        end_stream=published.ended.append,
        clock=clock,
        connect=doubts.connect,
    )
    bench = await Bench.begin(store, published, clock)
    key = bench.key("message.send", "again")
    doubts.due = failures
    for _ in range(failures):
        with pytest.raises(StoreUnavailableError):
            await store.accept_message(key, bench.session_id, "hello", _WAIT)
    accepted = await store.accept_message(key, bench.session_id, "hello", _WAIT)
    assert [text for _, text in await bench.texts()] == ["hello"]
    log = await bench.log()
    assert accepted.seq in [event["seq"] for event in log]
    assert seqs(published.of(bench.session.stream)) == [e["seq"] for e in log]
    founder_log = await bench.log(f"founder:{bench.founder_id}")
    told = published.of(f"founder:{bench.founder_id}")
    assert seqs(told) == [event["seq"] for event in founder_log]
    await store.aclose()


async def test_a_deletion_whose_commit_failed_ends_the_stream(database: Path) -> None:
    doubts, published, clock = Doubts(), Published(), Clock()
    store = await open_store(
        path=database,
        publish=published.events.extend,
        end_stream=published.ended.append,
        clock=clock,
        connect=doubts.connect,
    )
    bench = await Bench.begin(store, published, clock)
    doubts.due = 1
    with pytest.raises(StoreUnavailableError):
        await store.delete_session(bench.key("session.delete"), bench.session_id)
    await store.status()
    assert published.ended == [bench.session.stream]
    await store.aclose()
