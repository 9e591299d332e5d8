"""A full disk, a read-only file, a killed process: refused aloud, never lost."""

import asyncio
import json
import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.api_gateway.errors import (
    SchemaTooNewError,
    StoreLockedError,
    StoreUnavailableError,
)
from services.api_gateway.store_sql import open_store, verify
from services.api_gateway.store_sql.connections import connect_writer
from services.api_gateway.store_sql.schema import SCHEMA
from services.api_gateway.store_sql.store import SqlStore
from services.api_gateway.store_sql.tests.bench import Bench, Clock, Published

KILLS = 3


async def opened_at(path: Path, published: Published | None = None) -> SqlStore:
    """A store that tells nobody, or a given listener."""
    told = published or Published()
    return await open_store(
        path=path, publish=told.events.extend, end_stream=told.ended.append
    )


@contextmanager
def full_disk(database: Path) -> Iterator[None]:
    """No file of this process may grow beyond the database's log as it is now."""
    size = database.with_name(f"{database.name}-wal").stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


async def test_a_full_disk_refuses_and_recovers_by_itself(
    bench: Bench, database: Path
) -> None:
    await bench.send("before")
    published = len(bench.published.events)
    with full_disk(database):
        refusals = await asyncio.gather(
            *(bench.send("lost " * 1_000) for _ in range(3)), return_exceptions=True
        )
        assert [type(refusal) for refusal in refusals] == [StoreUnavailableError] * 3
        assert [text for _, text in await bench.texts()] == ["before"]
        assert len(bench.published.events) == published
        assert (await bench.log())[-1]["type"] != "message.queued"
    await bench.send("after")
    assert [text for _, text in await bench.texts()] == ["before", "after"]
    assert (await bench.store.status()).is_writable


@dataclass(slots=True)
class Switch:
    """Opens connections that refuse to write while the switch is on."""

    is_read_only: bool = False
    connections: list[sqlite3.Connection] = field(default_factory=list)

    def connect(self, path: Path) -> sqlite3.Connection:
        """Open a connection in the state of the switch."""
        connection = connect_writer(path)
        self.connections.append(connection)
        self.apply(connection)
        return connection

    def turn(self, *, is_read_only: bool) -> None:
        """Make the connection in use read-only, and those to come."""
        self.is_read_only = is_read_only
        self.apply(self.connections[-1])

    def apply(self, connection: sqlite3.Connection) -> None:
        """Bring one connection into the state of the switch."""
        connection.execute(f"PRAGMA query_only = {int(self.is_read_only)}")


async def test_a_read_only_file_refuses_and_recovers_by_itself(database: Path) -> None:
    switch, published, clock = Switch(), Published(), Clock()
    store = await open_store(
        path=database,
        publish=published.events.extend,
        end_stream=published.ended.append,
        connect=switch.connect,
    )
    bench = await Bench.begin(store, published, clock)
    await bench.send("before")
    switch.turn(is_read_only=True)
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            await bench.send("lost")
    status = await store.status()
    assert not status.is_writable
    assert status.counters["failed_commits"] == 3
    assert [text for _, text in await bench.texts()] == ["before"]
    switch.is_read_only = False
    await bench.send("after")
    assert [text for _, text in await bench.texts()] == ["before", "after"]
    await store.aclose()
    assert await verify(database) == []


async def test_somebody_elses_lock_delays_and_does_not_fail(
    bench: Bench, database: Path
) -> None:
    with closing(connect_writer(database)) as other:
        other.execute("BEGIN IMMEDIATE")
        sending = asyncio.create_task(bench.send("patient"))
        done, _ = await asyncio.wait({sending}, timeout=0.2)
        assert not done
        other.execute("ROLLBACK")
        await sending


async def test_a_second_process_is_refused_and_told_whose_it_is(
    bench: Bench, database: Path
) -> None:
    script = (
        "import asyncio, sys, pathlib\n"
        "from services.api_gateway.store_sql import open_store\n"
        "asyncio.run(open_store(path=pathlib.Path(sys.argv[1]),"
        " publish=print, end_stream=print))\n"
    )
    other = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", script, str(database)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert other.returncode == 1
    assert f"StoreLockedError: process {os.getpid()} on " in other.stderr
    await bench.send("still mine")
    with pytest.raises(StoreLockedError):
        await opened_at(database)


async def test_the_lock_goes_with_the_store(database: Path) -> None:
    await (await opened_at(database)).aclose()
    again = await opened_at(database)
    assert (await again.status()).is_writable
    await again.aclose()


async def test_a_newer_schema_is_refused_naming_both(database: Path) -> None:
    await (await opened_at(database)).aclose()
    newer = SCHEMA + 1
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (newer,))
        connection.execute(
            "UPDATE meta SET value = ? WHERE key = 'min_reader'", (newer,)
        )
    with pytest.raises(SchemaTooNewError, match=f"schema {newer}.*schema {SCHEMA}"):
        await opened_at(database)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "UPDATE meta SET value = ? WHERE key = 'min_reader'", (SCHEMA,)
        )
    await (await opened_at(database)).aclose()


async def test_nobody_else_can_read_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "venturebots"
    path = folder / "venturebots.db"
    folder.mkdir(parents=True)
    path.touch(mode=0o644)
    store = await opened_at(path)
    await store.create_founder("hash")
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()}
    await store.aclose()
    beside = ("", "-wal", "-shm", ".lock", ".life")
    assert modes == {f"{path.name}{suffix}": 0o600 for suffix in beside}


async def test_a_folder_that_is_made_is_private(tmp_path: Path) -> None:
    store = await opened_at(tmp_path / "data" / "venturebots.db")
    await store.aclose()
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


async def test_the_epoch_lasts_until_a_life_ends_in_disorder(database: Path) -> None:
    first = await opened_at(database)
    await first.aclose()
    second = await opened_at(database)
    assert second.epoch == first.epoch
    await second.writer.aclose()
    second.readers.close()
    second.lock.release()
    third = await opened_at(database)
    assert third.epoch != first.epoch
    await third.aclose()


async def test_a_start_ends_the_leases_of_the_life_before(database: Path) -> None:
    published = Published()
    store = await opened_at(database, published)
    bench = await Bench.begin(store, published, Clock())
    await bench.send()
    work = await bench.dispatch()
    await store.aclose()
    again = await opened_at(database)
    (adopted,) = await again.adopt_runs("gateway-2")
    assert adopted.run_id == work.run_id
    await again.aclose()


_WRITING = """
import asyncio, json, pathlib, sys
from services.api_gateway.store import DispatchPlace
from services.api_gateway.store_sql import open_store
from services.api_gateway.store_sql.tests.bench import Bench, Clock, Published, reply

async def talk(store, published):
    bench = await Bench.begin(store, published, Clock())
    for number in range(10_000):
        accepted = await bench.send(f"message {number}")
        print(json.dumps([bench.session.stream, accepted.seq, accepted.message_id]))
        for work in await store.claim_runnable(bench.founder_id, 1):
            await store.record_dispatch(work.run_id, DispatchPlace("there", "i"))
            for offset, event in enumerate([*reply("a b c d"), ("run.finished", {})]):
                await bench.play(work.run_id, event, after=offset)
        sys.stdout.flush()

async def main():
    published = Published()
    store = await open_store(
        path=pathlib.Path(sys.argv[1]),
        publish=published.events.extend, end_stream=published.ended.append,
        queue_limit=10_000)
    await asyncio.gather(*(talk(store, published) for _ in range(5)))

asyncio.run(main())
"""


@pytest.fixture
async def survivor(database: Path) -> list[tuple[str, int, str]]:
    """What was acknowledged by processes that were killed while they wrote."""
    acknowledged: list[tuple[str, int, str]] = []
    for _ in range(KILLS):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _WRITING, str(database)),
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        lines = [await process.stdout.readline() for _ in range(30)]
        process.send_signal(signal.SIGKILL)
        lines += (await process.stdout.read()).split(b"\n")[:-1]
        acknowledged += [tuple(json.loads(line)) for line in lines]
        await process.wait()
    return acknowledged


async def test_nothing_acknowledged_is_lost_by_kills_while_writing(
    survivor: list[tuple[str, int, str]], database: Path
) -> None:
    assert await verify(database) == []
    store = await opened_at(database)
    for stream, seq, message_id in survivor:
        (event,) = (await store.log_page(stream, seq - 1, 1)).events
        assert message_id in event.frame
        assert event.type == "message.accepted"
    await store.aclose()
