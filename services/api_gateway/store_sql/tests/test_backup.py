"""Copies are sound, private, of one moment, and begin a life of their own."""

import asyncio
import shutil
import sqlite3
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from services.api_gateway.errors import (
    CopyRefusedError,
    SchemaTooNewError,
    StoreLockedError,
    StoreUnavailableError,
)
from services.api_gateway.store_sql import back_up, check, open_store, restore
from services.api_gateway.store_sql.life import LifeNote
from services.api_gateway.store_sql.schema import SCHEMA
from services.api_gateway.store_sql.store import SqlStore
from services.api_gateway.store_sql.tests.bench import Bench, Clock, Published


async def opened(database: Path) -> SqlStore:
    """A store that tells nobody."""
    return await open_store(
        path=database, publish=lambda _events: None, end_stream=lambda _stream: None
    )


def mode_of(path: Path) -> int:
    """Who may do what with a file."""
    return stat.S_IMODE(path.stat().st_mode)


def names_beside(path: Path) -> list[str]:
    """The files in a file's folder."""
    return sorted(one.name for one in path.parent.iterdir())


def contents(path: Path) -> bytes:
    """The whole of a file."""
    return path.read_bytes()


@pytest.fixture
async def store(database: Path) -> AsyncIterator[SqlStore]:
    """A database in use."""
    begun = await opened(database)
    yield begun
    await begun.aclose()


@pytest.fixture
async def bench(store: SqlStore) -> Bench:
    """A founder and a session in it."""
    return await Bench.begin(store, Published(), Clock())


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Where the copy goes: a folder that is not there yet."""
    return tmp_path / "copies" / "copy.db"


async def test_a_copy_of_a_database_in_use_is_one_private_sound_file(
    bench: Bench, database: Path, copy: Path
) -> None:
    await bench.send("hello")
    back_up(database, copy)
    assert names_beside(copy) == [copy.name]
    assert mode_of(copy) == 0o600
    assert check(copy) == []
    with pytest.raises(CopyRefusedError, match="there already"):
        back_up(database, copy)
    await bench.send("the database goes on")


async def test_a_restored_copy_is_what_was_with_a_new_epoch(
    bench: Bench, store: SqlStore, database: Path, copy: Path
) -> None:
    await bench.send("kept")
    back_up(database, copy)
    await bench.send("later")
    with pytest.raises(StoreLockedError):
        restore(database, copy)
    await store.aclose()
    kept = restore(database, copy)
    assert kept is not None
    assert check(kept) == []
    again = await opened(database)
    assert again.epoch != store.epoch
    bench.store = again
    assert [text for _, text in await bench.texts()] == ["kept"]
    await again.aclose()
    assert check(database) == []
    assert mode_of(database) == 0o600


async def test_a_copy_of_a_closed_database_has_a_new_epoch_too(
    store: SqlStore, database: Path, copy: Path
) -> None:
    await store.aclose()
    back_up(database, copy)
    restore(database, copy)
    again = await opened(database)
    assert again.epoch != store.epoch
    await again.aclose()


async def test_the_log_of_a_killed_gateway_goes_aside_with_its_database(
    bench: Bench, store: SqlStore, database: Path, copy: Path
) -> None:
    back_up(database, copy)
    await bench.send("only in the log")
    killed = database.with_name("killed.db")
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{database}{suffix}", f"{killed}{suffix}")
    kept = restore(killed, copy)
    assert kept is not None
    assert f"{killed.name}-wal" not in names_beside(killed)
    with closing(sqlite3.connect(kept)) as connection:
        texts = connection.execute("SELECT text FROM messages").fetchall()
    assert texts == [("only in the log",)]
    assert check(killed) == []
    await store.status()


KILLED_RESTORE = """
import os, sys
from pathlib import Path
from services.api_gateway.store_sql import restore
steps = int(sys.argv[3])
beside = os.path.dirname(sys.argv[1])
def count(event, arguments):
    global steps
    is_step = event in {"os.rename", "os.link", "os.remove"}
    if is_step and os.fspath(arguments[0]).startswith(beside):
        steps -= 1
        if steps < 0:
            os._exit(9)
sys.addaudithook(count)
restore(Path(sys.argv[1]), Path(sys.argv[2]))
"""


async def test_a_restore_killed_anywhere_never_lets_an_empty_database_begin(
    bench: Bench, store: SqlStore, database: Path, copy: Path
) -> None:
    back_up(database, copy)
    await bench.send("only in the log")
    statuses = []
    for steps in range(8):
        killed = database.with_name(f"killed-{steps}.db")
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{database}{suffix}", f"{killed}{suffix}")
        LifeNote(killed).go_on()
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", KILLED_RESTORE, killed, copy, str(steps)
        )
        statuses.append(await child.wait())
        try:
            found = await opened(killed)
        except StoreUnavailableError:
            continue
        session = await found.session(bench.founder_id, bench.session_id)
        assert session.session_id == bench.session_id
        await found.aclose()
    assert statuses[0] == 9
    assert statuses[-1] == 0
    await store.status()


async def test_two_names_of_one_database_have_one_lock(
    store: SqlStore, database: Path, copy: Path
) -> None:
    other_name = database.with_name("other.db")
    other_name.symlink_to(database)
    with pytest.raises(StoreLockedError):
        await opened(other_name)
    back_up(other_name, copy)
    with pytest.raises(StoreLockedError):
        restore(other_name, copy)
    await store.aclose()
    restore(other_name, copy)
    assert other_name.is_symlink()


async def test_what_is_no_sound_copy_is_refused_and_changes_nothing(
    store: SqlStore, database: Path, copy: Path
) -> None:
    await store.aclose()
    before = contents(database)
    back_up(database, copy)
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("INSERT INTO founders VALUES ('lost', 'now')")
    note = copy.with_name("note.txt")
    note.write_text("this is no database " * 1_000)
    for wrong in (copy, note, copy.with_name("nothing.db")):
        with pytest.raises(CopyRefusedError):
            restore(database, wrong)
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (SCHEMA + 1,))
        connection.execute(
            "UPDATE meta SET value = ? WHERE key = 'min_reader'", (SCHEMA + 1,)
        )
    with pytest.raises(SchemaTooNewError):
        restore(database, copy)
    assert contents(database) == before
    assert [name for name in names_beside(database) if "part" in name] == []


async def test_a_backup_that_contradicts_itself_is_kept_under_another_name(
    store: SqlStore, database: Path, copy: Path
) -> None:
    await store.aclose()
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("INSERT INTO founders VALUES ('lost', 'now')")
    with pytest.raises(CopyRefusedError, match="founder without a stream"):
        back_up(database, copy)
    assert names_beside(copy) == ["copy.db.unverified"]
