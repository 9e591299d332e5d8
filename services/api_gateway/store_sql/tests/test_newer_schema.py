"""A release is put back in the place of a newer one, which had migrated already."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import StaticPool, create_engine

from services.api_gateway import store_sql
from services.api_gateway.errors import SchemaTooNewError
from services.api_gateway.store_sql import open_store, verify
from services.api_gateway.store_sql.schema import SCHEMA
from services.api_gateway.store_sql.tests.bench import Bench, Clock, Published

MIGRATIONS = Path(store_sql.__file__).parent / "migrations"
NEWER = SCHEMA + 1
MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, min_reader = "{newer}", "{schema}", {min_reader}

def upgrade():
    op.create_table("goals", sa.Column("goal_id", sa.Text(), primary_key=True))
    op.add_column("sessions", sa.Column("colour", sa.Text(), nullable=True))
    op.add_column(
        "messages",
        sa.Column("weight", sa.Integer(), nullable=False, server_default="7"),
    )
    op.add_column("runs", sa.Column("region", sa.Text(), nullable=True))
    op.create_index("sessions_by_colour", "sessions", ["colour"])
"""


def migrate_as_newer(path: Path, folder: Path, *, min_reader: int) -> None:
    """Leave the database as the next release would."""
    source = MIGRATION.format(newer=NEWER, schema=SCHEMA, min_reader=min_reader)
    folder.mkdir(exist_ok=True)
    (folder / "newer.py").write_text(source, "utf-8")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "newline")
    locations = f"{MIGRATIONS / 'versions'}\n{folder}"
    config.set_main_option("version_locations", locations)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        engine = create_engine(
            "sqlite://", creator=lambda: connection, poolclass=StaticPool
        )
        with engine.connect() as bound:
            config.attributes["connection"] = bound
            command.upgrade(config, "head")


def meta_of(path: Path) -> dict[str, str]:
    """What the database says of itself, with the number of its schema."""
    with closing(sqlite3.connect(path)) as connection:
        told = dict(connection.execute("SELECT key, value FROM meta").fetchall())
        [(number,)] = connection.execute("SELECT version_num FROM alembic_version")
        return {"schema": number, "min_reader": told["min_reader"]}


async def talk(path: Path) -> None:
    """Open the database as this release does and have a message answered."""
    published = Published()
    store = await open_store(
        path=path,
        publish=published.events.extend,
        end_stream=published.ended.append,
    )
    bench = await Bench.begin(store, published, Clock())
    await bench.send("Who waits at lunch?")
    await bench.answer()
    await store.aclose()


async def test_what_was_only_added_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "venturebots.db"
    await talk(path)
    migrate_as_newer(path, tmp_path / "newer", min_reader=SCHEMA)
    newer = {"schema": str(NEWER), "min_reader": str(SCHEMA)}
    assert meta_of(path) == newer
    await talk(path)
    assert meta_of(path) == newer
    assert await verify(path) == []
    with closing(sqlite3.connect(path)) as connection:
        weights = connection.execute("SELECT weight FROM messages").fetchall()
    assert weights == [(7,)] * 4
    migrate_as_newer(path, tmp_path / "newer", min_reader=SCHEMA)
    assert meta_of(path) == newer
    assert await verify(path) == []


async def test_what_was_changed_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "venturebots.db"
    await talk(path)
    migrate_as_newer(path, tmp_path / "newer", min_reader=NEWER)
    before = path.read_bytes()
    with pytest.raises(SchemaTooNewError, match=rf"{NEWER}.*knows schema {SCHEMA}"):
        await talk(path)
    assert path.read_bytes() == before
