"""The schema: what migrations make is what the code expects, and is indexed."""

import importlib
import pkgutil
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import StaticPool, create_engine

from services.api_gateway import store_sql
from services.api_gateway.store_sql import log, open_store, run_events, schema
from services.api_gateway.store_sql.models import metadata
from services.api_gateway.store_sql.statements import Statement

PACKAGE = Path(store_sql.__file__).parent


@pytest.fixture
async def migrated(database: Path) -> Path:
    """A database as an installation has it."""
    store = await open_store(
        path=database, publish=lambda _events: None, end_stream=lambda _stream: None
    )
    await store.aclose()
    return database


def statements() -> Iterator[tuple[str, str]]:
    """Every statement of the package, by where it stands."""
    for module_info in pkgutil.iter_modules(store_sql.__path__):
        if module_info.ispkg:
            continue
        module = importlib.import_module(f"{store_sql.__name__}.{module_info.name}")
        for name, value in vars(module).items():
            found = value if isinstance(value, tuple) else (value,)
            yield from (
                (f"{module_info.name}.{name}[{number}]", one.sql)
                for number, one in enumerate(found)
                if isinstance(one, Statement)
            )
    yield from (
        (f"log.{n}", getattr(log, n)) for n in ("_LAST_SEQ", "_ADVANCE", "_INSERT")
    )


def tables(connection: sqlite3.Connection) -> dict[str, str]:
    """The SQL of every table and index by name, without white space."""
    rows = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL"
    )
    return {name: "".join(sql.split()) for name, sql in rows}


def test_there_are_statements_to_check() -> None:
    names = {name for name, _ in statements()}
    assert len(names) > 50
    assert "run_events._ADVANCE[0]" in names
    assert run_events.FIND_RUN.sql in {sql for _, sql in statements()}


async def test_every_statement_finds_its_rows_by_an_index(migrated: Path) -> None:
    scans = []
    with closing(sqlite3.connect(migrated)) as connection:
        for name, sql in statements():
            names = re.findall(r":(\w+)", sql)
            values: Any = dict.fromkeys(names) if names else (None,) * sql.count("?")
            plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)
            scans += [(name, row[3]) for row in plan if row[3].startswith("SCAN")]
    assert scans == [
        # The whole of an index that holds nothing but runnable runs.
        ("runs._RUNNABLE[0]", "SCAN runs USING INDEX runs_runnable"),
    ]


async def test_migrations_make_the_tables_of_the_models(migrated: Path) -> None:
    with closing(sqlite3.connect(migrated)) as connection:
        made = tables(connection)
    with closing(sqlite3.connect(":memory:")) as connection:
        engine = create_engine(
            "sqlite://", creator=lambda: connection, poolclass=StaticPool
        )
        metadata.create_all(engine)
        modelled = tables(connection)
    assert made.pop("alembic_version")
    assert made == modelled


def test_the_schemas_number_is_that_of_the_last_migration() -> None:
    scripts = ScriptDirectory(str(PACKAGE / "migrations"))
    assert scripts.get_current_head() == str(schema.SCHEMA)
    assert sorted(int(script.revision) for script in scripts.walk_revisions()) == list(
        range(1, schema.SCHEMA + 1)
    )
