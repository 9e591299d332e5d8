"""The schema's version: migrated to, or refused when it is too new.

`meta.min_reader` is the oldest schema version whose code can use the database, so
that a newer database which only gained something may still be opened: an older
release can be put back in the place of a newer one.
"""

import sqlite3
from pathlib import Path
from uuid import uuid4

from services.api_gateway.errors import SchemaTooNewError

__all__ = [
    "SCHEMA",
    "mark_clean",
    "mark_unclean",
    "migrate",
    "open_epoch",
    "refuse_newer",
    "schema_version",
]

SCHEMA = 2
"""The newest migration's number; see migrations/versions."""

_HAS_TABLE = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?"
_SET_META = "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)"


def schema_version(connection: sqlite3.Connection) -> int:
    """The number of the last migration that was made; 0 in an empty file."""
    if connection.execute(_HAS_TABLE, ("alembic_version",)).fetchone() is None:
        return 0
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return 0 if row is None else int(row[0])


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the database to this version's schema.

    Raises `SchemaTooNewError` when a newer version wrote it and says that this one
    cannot use it.
    """
    refuse_newer(connection, path)
    if schema_version(connection) < SCHEMA:
        _upgrade(connection)


def refuse_newer(connection: sqlite3.Connection, path: Path) -> None:
    """Raise `SchemaTooNewError` unless this version can use the database."""
    found = schema_version(connection)
    if found > SCHEMA:
        min_reader = int(_meta(connection, "min_reader") or found)
        if min_reader > SCHEMA:
            raise SchemaTooNewError(
                f"{path} has schema {found}, which needs a version that knows schema"
                f" {min_reader}; this version knows schema {SCHEMA}; install the newer"
                " version again or restore a backup"
            )


def open_epoch(connection: sqlite3.Connection, clean_mark: str | None) -> str:
    """The database's epoch, a new one unless the last life ended with the mark.

    The life that begins is marked as not ended.
    """
    epoch = _meta(connection, "epoch")
    is_clean = clean_mark is not None and clean_mark == _meta(connection, "is_clean")
    if epoch is None or not is_clean:
        epoch = str(uuid4())
    connection.execute(_SET_META, ("epoch", epoch))
    mark_unclean(connection)
    return epoch


def mark_clean(connection: sqlite3.Connection, mark: str) -> None:
    """Say that this life ended in order: who knows the mark keeps the epoch."""
    connection.execute(_SET_META, ("is_clean", mark))


def mark_unclean(connection: sqlite3.Connection) -> None:
    """Let the next life have an epoch of its own."""
    connection.execute(_SET_META, ("is_clean", "0"))


def _meta(connection: sqlite3.Connection, key: str) -> str | None:
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def _upgrade(connection: sqlite3.Connection) -> None:
    # Imported only when there is something to migrate: it costs time and memory
    # that a running gateway has no use for.
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above
    from sqlalchemy import StaticPool, create_engine  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    engine = create_engine(
        "sqlite://", creator=lambda: connection, poolclass=StaticPool
    )
    with engine.connect() as bound:
        config.attributes["connection"] = bound
        command.upgrade(config, "head")
