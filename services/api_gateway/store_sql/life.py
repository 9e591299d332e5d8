"""Tells a database from a copy of it, and notices when its files are changed.

A note beside the database says which file the last life used and how it ended. A
copy, however it was made, has another inode or another time of change, so that it
never passes for the file that was shut down cleanly.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from services.api_gateway.errors import StoreUnavailableError

__all__ = ["FileIdentity", "LifeNote", "log_of"]

_CHANGED = "was replaced, removed or truncated while in use; restart the gateway"


def log_of(database: Path) -> Path:
    """SQLite's log beside a database: what is committed and not yet in it."""
    return database.with_name(f"{database.name}-wal")


@dataclass(frozen=True, slots=True)
class LifeNote:
    """The note beside a database, `<database>.life`."""

    database: Path

    @property
    def path(self) -> Path:
        """Where the note is."""
        return self.database.with_name(f"{self.database.name}.life")

    def begin(self) -> str | None:
        """Begin a life; returns the mark of the one before when it ended cleanly.

        Raises `StoreUnavailableError` when the log beside the database is that of
        another file: SQLite would write it into this one.
        """
        note = self._read()
        log = log_of(self.database)
        has_log = log.exists() and log.stat().st_size > 0
        if not self.database.exists() or not self.database.stat().st_size:
            if has_log:
                raise StoreUnavailableError(
                    f"{log} is there without its database; restore a backup, or"
                    " remove the log to begin anew"
                )
            return None
        now = self.database.stat()
        is_same_file = now.st_ino == note.get("inode", now.st_ino)
        if has_log and not is_same_file:
            raise StoreUnavailableError(
                f"{log} belongs to another file than {self.database}; put that file"
                f" back or restore a backup (remove {self.path} only if all of them"
                " were copied together)"
            )
        is_untouched = is_same_file and note.get("changed_ns") == now.st_ctime_ns
        mark = note.get("mark")
        return mark if is_untouched and isinstance(mark, str) else None

    def go_on(self) -> None:
        """Say which file this life uses; it has not ended cleanly."""
        self._write({"inode": self.database.stat().st_ino})

    def end(self, mark: str) -> None:
        """Say that the life ended cleanly, once the database is closed."""
        now = self.database.stat()
        told = {"inode": now.st_ino, "changed_ns": now.st_ctime_ns, "mark": mark}
        self._write(told)

    def remove(self) -> None:
        """Let the next life be that of another file."""
        self.path.unlink(missing_ok=True)

    @staticmethod
    def new_mark() -> str:
        """A mark that no earlier end of a life has."""
        return uuid4().hex

    def _read(self) -> dict[str, object]:
        try:
            note = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}

    def _write(self, note: dict[str, object]) -> None:
        part = self.path.with_name(f".{self.path.name}.part")
        part.touch(mode=0o600)
        part.write_text(json.dumps(note), "utf-8")
        part.replace(self.path)


@dataclass(slots=True)
class FileIdentity:
    """The files of an open database; cheap enough to be asked at every commit."""

    path: Path
    _names: tuple[str, str] = field(init=False)
    _inode: int = field(init=False)
    _size: int = field(init=False)
    _log_inode: int | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        now = self.path.stat()
        self._names = str(self.path), str(log_of(self.path))
        self._inode, self._size = now.st_ino, now.st_size

    def check_database(self) -> None:
        """Raise `StoreUnavailableError` unless the path is still the same file."""
        try:
            now = os.stat(self._names[0])  # noqa: PTH116 - asked at every commit
        except FileNotFoundError:
            raise StoreUnavailableError(f"{self.path.name} {_CHANGED}") from None
        if now.st_ino != self._inode or now.st_size < self._size:
            raise StoreUnavailableError(f"{self.path.name} {_CHANGED}")
        self._size = now.st_size

    def check(self) -> None:
        """`check_database`, and the same for the log beside it."""
        self.check_database()
        if self._log_inode is not None and self._log_inode != self._find_log():
            raise StoreUnavailableError(f"{log_of(self.path).name} {_CHANGED}")

    def note_log(self) -> None:
        """Remember the log that a new connection of the writer has opened."""
        self._log_inode = self._find_log()

    def _find_log(self) -> int | None:
        try:
            return os.stat(self._names[1]).st_ino  # noqa: PTH116 - see above
        except FileNotFoundError:
            return None
