"""What an older version left behind is carried over whole."""

import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import StaticPool, create_engine

from services.api_gateway import store_sql
from services.api_gateway.store_sql import open_store

AT = "2026-01-05T09:30:00.120Z"
FOUNDER = "0b5e9a52-6a0e-4a6f-9d1c-3f6a1c2d4e5f"
MIGRATIONS = Path(store_sql.__file__).parent / "migrations"


def migrate_to(path: Path, revision: str) -> None:
    """A database as the version with this revision had it."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        engine = create_engine(
            "sqlite://", creator=lambda: connection, poolclass=StaticPool
        )
        with engine.connect() as bound:
            config.attributes["connection"] = bound
            command.upgrade(config, revision)


FIRST_ROWS = f"""
INSERT INTO founders VALUES ('{FOUNDER}', '{AT}');
INSERT INTO streams VALUES ('founder:{FOUNDER}', '{FOUNDER}', 'founder', 0, 0);
INSERT INTO streams VALUES ('session:s1', '{FOUNDER}', 'session', 5, 5);
INSERT INTO sessions VALUES
    ('s1', '{FOUNDER}', 'Queues', 'queues', 0, '{AT}', '{AT}', NULL, NULL);
INSERT INTO runs VALUES
    ('r1', 's1', '{FOUNDER}', 'message', 'm1', NULL, 'finished', 2, 0, NULL, 0, NULL,
     NULL, 0, 0, 0, NULL, NULL, 0, 0, '{AT}', NULL, '{AT}', 1);
INSERT INTO messages VALUES
    ('m2', 's1', '{FOUNDER}', 'r1', 'coach', 'Who waits?', 'complete', 3, NULL,
     'coach', '[]', 'none', NULL, '{AT}', '{AT}'),
    ('m1', 's1', '{FOUNDER}', 'r1', 'founder', 'People wait for lunch', 'complete', 1,
     NULL, NULL, '[]', 'none', NULL, '{AT}', '{AT}');
"""  # noqa: S608 - values from this file


def fill_first_schema(path: Path) -> None:
    """A session with a question and its answer, of the first schema."""
    migrate_to(path, "1")
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(FIRST_ROWS)


async def test_sessions_and_messages_of_the_first_schema_stay_as_they_were(
    tmp_path: Path,
) -> None:
    path = tmp_path / "venturebots.db"
    fill_first_schema(path)
    store = await open_store(
        path=path, publish=lambda _events: None, end_stream=lambda _stream: None
    )
    session = await store.session(FOUNDER, "s1")
    page = await store.messages(FOUNDER, "s1", before_seq=None, limit=10)
    found = await store.search(FOUNDER, query="wait", cursor=None, limit=10)
    titles = await store.search(FOUNDER, query="queue", cursor=None, limit=10)
    await store.aclose()
    assert [hit.message and hit.message.seq for hit in found.hits] == [1, 3]
    assert [hit.session.session_id for hit in titles.hits] == ["s1"]
    assert (session.title, session.pinned, session.branched_from) == (
        "Queues",
        False,
        None,
    )
    assert [(each.message_id, each.text) for each in page.messages] == [
        ("m1", "People wait for lunch"),
        ("m2", "Who waits?"),
    ]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
