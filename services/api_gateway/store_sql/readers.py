"""Readers: a few threads and as many connections that cannot write."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from services.api_gateway.errors import StoreUnavailableError
from services.api_gateway.store_sql.connections import connect_reader
from services.api_gateway.store_sql.life import FileIdentity
from services.api_gateway.store_sql.statements import Reading

__all__ = ["Readers"]

_FIRST_READ = "SELECT 1 FROM meta"


class Readers:
    """Runs reads beside the writer, each in one transaction.

    All connections are opened at once, so that what was is readable whatever
    happens to the file's name. Raises `sqlite3.Error` when they cannot be.
    """

    def __init__(self, identity: FileIdentity, *, threads: int = 2) -> None:
        self._identity = identity
        self._threads = threads
        self._idle: SimpleQueue[sqlite3.Connection | None] = SimpleQueue()
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="store-reader")
        for _ in range(threads):
            connection = self._connect()
            connection.execute(_FIRST_READ).fetchone()
            self._idle.put(connection)

    async def read[T](self, work: Callable[[Reading], T]) -> T:
        """Run work on what is committed now; it sees one moment only."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._read, work)

    def close(self) -> None:
        """End the threads and close their connections."""
        self._executor.shutdown()
        for _ in range(self._threads):
            connection = self._idle.get()
            if connection is not None:
                connection.close()

    def _read[T](self, work: Callable[[Reading], T]) -> T:
        connection = self._idle.get()
        try:
            if connection is None:
                connection = self._connect()
            connection.execute("BEGIN")
            try:
                return work(Reading(connection))
            finally:
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
                connection = None
            raise StoreUnavailableError(
                f"the database cannot be read just now ({error}); try again"
            ) from error
        finally:
            self._idle.put(connection)

    def _connect(self) -> sqlite3.Connection:
        self._identity.check_database()
        return connect_reader(self._identity.path)
