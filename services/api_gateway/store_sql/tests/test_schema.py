"""The schema: what migrations make is what the code expects, and is indexed."""

import importlib
import pkgutil
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
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
            for number, one in enumerate(found):
                if isinstance(one, Statement):
                    yield f"{module_info.name}.{name}[{number}]", one.sql
    for name in ("_LAST_SEQ", "_ADVANCE", "_INSERT"):
        yield f"log.{name}", getattr(log, name)


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
            values: object = dict.fromkeys(names) if names else (None,) * sql.count("?")
            plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()  # type: ignore[arg-type] - by name or by place
            details = [row[3] for row in plan]
            scans += [(name, d) for d in details if d.startswith("SCAN")]
            scans += [(name, d) for d in details if "TEMP B-TREE" in d]
    assert scans == [("run_work._HISTORY[0]", "USE TEMP B-TREE FOR LAST 2 TERMS OF ORDER BY")] or scans == []


async def test_migrations_make_the_tables_of_the_models(migrated: Path) -> None:
    with closing(sqlite3.connect(migrated)) as connection:
        engine = create_engine(
            "sqlite://", creator=lambda: connection, poolclass=StaticPool
        )
        with engine.connect() as bound:
            context = MigrationContext.configure(bound)
            with pytest.warns(UserWarning, match="streams_of_founders_by_length"):
                assert compare_metadata(context, metadata) == []
        made = {
            (kind, name): sql
            for kind, name, sql in connection.execute(
                "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL"
            )
        }
    with closing(sqlite3.connect(":memory:")) as connection:
        engine = create_engine(
            "sqlite://", creator=lambda: connection, poolclass=StaticPool
        )
        metadata.create_all(engine)
        modelled = {
            (kind, name): sql
            for kind, name, sql in connection.execute(
                "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL"
            )
        }
    assert made.keys() - modelled.keys() == {("table", "alembic_version")}
    for key, sql in modelled.items():
        assert "".join(made[key].split()).casefold() == "".join(sql.split()).casefold()


def test_the_schemas_number_is_that_of_the_last_migration() -> None:
    scripts = ScriptDirectory(str(PACKAGE / "migrations"))
    assert scripts.get_current_head() == str(schema.SCHEMA)
    assert sorted(int(script.revision) for script in scripts.walk_revisions()) == list(
        range(1, schema.SCHEMA + 1)
    )
