"""Copies of a database: taken while it is in use, checked, and put back.

A copy never passes for the life it was taken of: the gateway that opens it gives
it an epoch of its own, so that no client believes a cursor beyond it.
"""

import os
import re
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from services.api_gateway.errors import CopyRefusedError
from services.api_gateway.store_sql import schema
from services.api_gateway.store_sql.connections import connect_reader
from services.api_gateway.store_sql.life import LifeNote, log_of
from services.api_gateway.store_sql.lock import FileLock
from services.api_gateway.store_sql.verify import check

__all__ = ["back_up", "default_target", "newest_copy", "restore", "thin_out"]

_STEP_PAGES = 256
_BREATH_SECONDS = 0.001
"""After each step, so that the disk is the gateway's again."""
_SHOWN_FINDINGS = 5
_STAMPED = r"\d{8}T\d{12}Z"


def default_target(database: Path, folder: Path | None = None) -> Path:
    """Where a backup goes that was given no name: named by the time."""
    name = f"{database.stem}-{_stamp()}{database.suffix}"
    return (folder or database.parent / "backups") / name


def newest_copy(database: Path, folder: Path) -> Path:
    """Return the newest copy in a folder; raises `CopyRefusedError` without one."""
    copies = _copies(database, folder)
    if not copies:
        raise CopyRefusedError(f"there is no copy of {database.name} in {folder}")
    return copies[-1]


def thin_out(database: Path, folder: Path, *, keep: int) -> list[Path]:
    """Remove all but the newest copies named by the time; returns those removed."""
    gone = _copies(database, folder)[:-keep]
    for copy in gone:
        copy.unlink()
    return gone


def back_up(database: Path, target: Path) -> None:
    """Copy a database, in use or not, as it is at one moment.

    The copy is one file with mode 0600; it has its name only once it is whole,
    on the disk and without contradiction. Raises `CopyRefusedError` when the
    target is there or the copy contradicts itself; it is then kept as
    `<target>.unverified`.
    """
    if target.exists():
        raise CopyRefusedError(f"{target} is there already; name another file")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        _copy(database, part)
        if findings := check(part):
            kept = target.with_name(f"{target.name}.unverified")
            part.replace(kept)
            raise CopyRefusedError(f"{kept} is not sound: {_summary(findings)}")
        _rename(part, target)
    finally:
        part.unlink(missing_ok=True)


def restore(database: Path, copy: Path) -> Path | None:
    """Put a copy in the place of a database; returns where that one is kept.

    Raises `StoreLockedError` while a gateway uses the database, and
    `CopyRefusedError` or `SchemaTooNewError` when the copy cannot be used; then
    nothing was changed.
    """
    if not copy.is_file():
        raise CopyRefusedError(f"there is no file {copy}")
    database = database.resolve()
    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock.take(database)
    part = database.with_name(f".{database.name}.{os.getpid()}.part")
    try:
        _refuse_unusable(copy)
        _copy(copy, part)
        kept = _keep(database)
        _rename(part, database)
        log_of(database).unlink(missing_ok=True)
        database.with_name(f"{database.name}-shm").unlink(missing_ok=True)
        LifeNote(database).remove()
    finally:
        part.unlink(missing_ok=True)
        lock.release()
    return kept


def _copies(database: Path, folder: Path) -> list[Path]:
    """List the copies that are named by the time, the oldest first."""
    named = re.compile(
        rf"{re.escape(database.stem)}-{_STAMPED}{re.escape(database.suffix)}"
    )
    return sorted(path for path in folder.iterdir() if named.fullmatch(path.name))


def _refuse_unusable(copy: Path) -> None:
    try:
        with closing(connect_reader(copy)) as connection:
            schema.refuse_newer(connection, copy)
        findings = check(copy)
    except sqlite3.Error as error:
        raise CopyRefusedError(f"{copy} cannot be read: {error}") from error
    if findings:
        raise CopyRefusedError(f"{copy} is not sound: {_summary(findings)}")


def _copy(source: Path, target: Path) -> None:
    """Copy what is committed now into a new file that is its own whole."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with (
        closing(connect_reader(source)) as reading,
        closing(sqlite3.connect(target, isolation_level=None)) as writing,
    ):
        # Held to the end: else every commit of the gateway would begin it anew.
        reading.execute("BEGIN")
        reading.execute("SELECT 1 FROM meta").fetchone()
        reading.backup(writing, pages=_STEP_PAGES, progress=_breathe)
        writing.execute("PRAGMA journal_mode = DELETE")
        schema.mark_unclean(writing)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _breathe(_status: int, _remaining: int, _total: int) -> None:
    time.sleep(_BREATH_SECONDS)


def _keep(database: Path) -> Path | None:
    """Give the database and its log a second name; SQLite finds the log by it.

    The first one stays until the copy takes it: who is killed in between leaves the
    database that was, or one that no gateway opens beside another's log.
    """
    kept = database.with_name(f"{database.name}.replaced-{_stamp()}")
    if log_of(database).exists():
        log_of(kept).hardlink_to(log_of(database))
    if not database.exists():
        return None
    kept.hardlink_to(database)
    return kept


def _rename(part: Path, target: Path) -> None:
    part.replace(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _summary(findings: list[str]) -> str:
    shown = "; ".join(findings[:_SHOWN_FINDINGS])
    return f"{len(findings)} contradictions ({shown})"


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
