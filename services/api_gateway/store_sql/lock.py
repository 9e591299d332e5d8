"""One process per database file: an exclusive lock beside it."""

import fcntl
import os
import socket
from pathlib import Path

from services.api_gateway.errors import StoreLockedError

__all__ = ["FileLock"]

_HOLDER_BYTES = 128


class FileLock:
    """An exclusive lock, held until `release` or the end of the process.

    The file beside the database is never removed: another process may be about
    to lock it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, database: Path) -> "FileLock":
        """Lock `<database>.lock`; raises `StoreLockedError` naming the holder."""
        path = database.with_name(f"{database.name}.lock")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, _HOLDER_BYTES, 0).decode().strip()
            os.close(descriptor)
            raise StoreLockedError(
                f"process {holder or 'unknown'} uses {database}; stop it or choose"
                " another file: one gateway at a time has a SQLite database"
            ) from None
        os.ftruncate(descriptor, 0)
        # In containers all of them are process 1.
        holder = f"{os.getpid()} on {socket.gethostname()}"
        os.pwrite(descriptor, f"{holder}\n".encode(), 0)
        return cls(descriptor)

    def release(self) -> None:
        """Let another process use the database."""
        os.close(self._descriptor)
