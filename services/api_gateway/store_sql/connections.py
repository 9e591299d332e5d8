"""Opening the database file: modes, pragmas and what their errors mean."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

__all__ = ["Connect", "connect_reader", "connect_writer", "create_file", "is_failing"]

Connect = Callable[[Path], sqlite3.Connection]
"""Opens a connection; tests pass one that fails."""

_BUSY_TIMEOUT_SECONDS = 30.0
_CACHED_STATEMENTS = 256
_JOURNAL_LIMIT_BYTES = 64 * 1024 * 1024
_FAILURES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)


def create_file(path: Path) -> None:
    """Make the file with mode 0600; SQLite's own files beside it follow it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def connect_writer(path: Path) -> sqlite3.Connection:
    """Open the one connection that writes; transactions are begun by hand."""
    connection = _connect(path, "rw")
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_LIMIT_BYTES}")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open a connection that cannot write."""
    connection = _connect(path, "ro")
    connection.execute("PRAGMA query_only = ON")
    return connection


def is_failing(error: sqlite3.Error) -> bool:
    """Whether the file is at fault (full, read-only, damaged), not the statement."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _FAILURES


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        timeout=_BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_CACHED_STATEMENTS,
        uri=True,
    )
    connection.row_factory = sqlite3.Row
    return connection
