"""Opens a database: locked, migrated, with an epoch, its writer and its readers."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.api_gateway.errors import StoreUnavailableError
from services.api_gateway.fanout import LoggedEvent
from services.api_gateway.store_sql import runs, schema
from services.api_gateway.store_sql.connections import (
    Connect,
    connect_writer,
    create_file,
)
from services.api_gateway.store_sql.life import FileIdentity, LifeNote
from services.api_gateway.store_sql.lock import FileLock
from services.api_gateway.store_sql.readers import Readers
from services.api_gateway.store_sql.statements import Reading
from services.api_gateway.store_sql.store import SqlStore
from services.api_gateway.store_sql.writer import OnCommit, Writer, ignore_commit

__all__ = ["open_store"]


async def open_store(
    *,
    path: Path,
    publish: Callable[[Sequence[LoggedEvent]], None],
    end_stream: Callable[[str], None],
    queue_limit: int = 3,
    lease_seconds: float = 15,
    clock: Callable[[], float] = time.time,
    connect: Connect = connect_writer,
    on_commit: OnCommit = ignore_commit,
) -> SqlStore:
    """Lock, create or migrate the database and start its writer.

    `publish` and `end_stream` are called on the running loop, in the order of the
    commits, before those who waited for a commit go on. `queue_limit` is how many
    messages may wait in a session; `clock` gives seconds since 1970; `on_commit` is
    told units and seconds of each commit, by the writer's thread.

    Raises `StoreLockedError` when another process uses the file,
    `SchemaTooNewError` when a newer version wrote it and `StoreUnavailableError`
    when it cannot be written.
    """
    prepared = await asyncio.to_thread(_prepare, path, connect)
    writer = Writer(
        identity=prepared.identity,
        connect=connect,
        clock=clock,
        publish=publish,
        end_stream=end_stream,
        on_commit=on_commit,
    )
    writer.start()
    return SqlStore(
        writer,
        prepared.readers,
        prepared.lock,
        prepared.note,
        database_epoch=prepared.epoch,
        queue_limit=queue_limit,
        lease_seconds=lease_seconds,
    )


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A database that is locked, migrated and open for reading."""

    lock: FileLock
    note: LifeNote
    epoch: str
    identity: FileIdentity
    readers: Readers


def _prepare(path: Path, connect: Connect) -> _Prepared:
    path = path.resolve()  # two names of one file must not have two locks
    note = LifeNote(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock.take(path)
    try:
        clean_mark = note.begin()
        create_file(path)
        note.go_on()
        connection = connect(path)
        try:
            schema.migrate(connection, path)
            epoch = _begin_life(connection, clean_mark)
        finally:
            connection.close()
        identity = FileIdentity(path)
        readers = Readers(identity)
    except sqlite3.Error as error:
        lock.release()
        raise StoreUnavailableError(f"{path} cannot be opened ({error})") from error
    except BaseException:
        lock.release()
        raise
    return _Prepared(lock, note, epoch, identity, readers)


def _begin_life(connection: sqlite3.Connection, clean_mark: str | None) -> str:
    connection.execute("BEGIN IMMEDIATE")
    epoch = schema.open_epoch(connection, clean_mark)
    runs.expire_leases(Reading(connection))
    connection.execute("COMMIT")
    return epoch
