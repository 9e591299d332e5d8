"""Readers: a few threads, each with a connection that cannot write."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from services.api_gateway.errors import StoreUnavailableError
from services.api_gateway.store_sql.connections import connect_reader
from services.api_gateway.store_sql.statements import Reading

__all__ = ["Readers"]


class Readers:
    """Runs reads beside the writer, each in one transaction."""

    def __init__(self, path: Path, *, threads: int = 2) -> None:
        self._path = path
        self._local = threading.local()
        self._connections: set[sqlite3.Connection] = set()
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="store-reader")

    async def read[T](self, work: Callable[[Reading], T]) -> T:
        """Run work on what is committed now; it sees one moment only."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._read, work)

    def close(self) -> None:
        """End the threads and close their connections."""
        self._executor.shutdown()
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    def _read[T](self, work: Callable[[Reading], T]) -> T:
        try:
            connection = self._connection()
            connection.execute("BEGIN")
            try:
                return work(Reading(connection))
            finally:
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._discard()
            raise StoreUnavailableError(
                f"the database cannot be read just now ({error}); try again"
            ) from error

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect_reader(self._path)
            self._connections.add(connection)
        return connection

    def _discard(self) -> None:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is not None:
            self._local.connection = None
            self._connections.discard(connection)
            connection.close()
