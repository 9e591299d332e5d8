"""The schema's version: migrated to, or refused when it is too new.

`meta.min_reader` is the oldest schema version whose code can use the database, so
that a newer database which only gained something may still be opened.
"""

import sqlite3
from pathlib import Path
from uuid import uuid4

from services.api_gateway.errors import SchemaTooNewError

__all__ = ["SCHEMA", "mark_clean", "migrate", "open_epoch", "schema_version"]

SCHEMA = 1
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
    found = schema_version(connection)
    if found > SCHEMA:
        min_reader = int(_meta(connection, "min_reader") or found)
        if min_reader > SCHEMA:
            raise SchemaTooNewError(
                f"{path} has schema {found}, this version knows schema {SCHEMA};"
                " install the newer version again or restore a backup"
            )
    if found < SCHEMA:
        _upgrade(connection)


def open_epoch(connection: sqlite3.Connection) -> str:
    """The database's epoch, a new one unless the last life ended cleanly.

    The life that begins is marked as not ended.
    """
    epoch = _meta(connection, "epoch")
    if epoch is None or _meta(connection, "is_clean") != "1":
        epoch = str(uuid4())
    connection.execute(_SET_META, ("epoch", epoch))
    connection.execute(_SET_META, ("is_clean", "0"))
    return epoch


def mark_clean(connection: sqlite3.Connection) -> None:
    """Say that this life ended in order: the next one keeps the epoch."""
    connection.execute(_SET_META, ("is_clean", "1"))


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
