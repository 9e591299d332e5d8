"""The schema: what migrations make is what the code expects, and is indexed."""

import importlib
import pkgutil
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import StaticPool, create_engine

from services.api_gateway import store_sql
from services.api_gateway.store_sql import log, run_events, schema
from services.api_gateway.store_sql.models import SEARCH_INDEX, metadata
from services.api_gateway.store_sql.statements import Statement
from services.api_gateway.store_sql.tests.bench import query_plan

PACKAGE = Path(store_sql.__file__).parent


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
    """The SQL of every table and index by name, without white space and quotes.

    Without the search index, which no model describes.
    """
    rows = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL"
    )
    return {
        name: "".join(sql.split()).replace('"', "")
        for name, sql in rows
        if not name.startswith(SEARCH_INDEX)
    }


def test_there_are_statements_to_check() -> None:
    names = {name for name, _ in statements()}
    assert len(names) > 50
    assert "run_events._ADVANCE[0]" in names
    assert run_events.FIND_RUN.sql in {sql for _, sql in statements()}


async def test_every_statement_finds_its_rows_by_an_index(migrated: Path) -> None:
    scans = []
    for name, sql in statements():
        steps = query_plan(migrated, sql)
        # The number before the constraints is SQLite's own affair.
        steps = [re.sub(r"INDEX \d+:", "INDEX :", step) for step in steps]
        scans += [(name, step) for step in steps if step.startswith("SCAN")]
    assert sorted(scans) == [
        # The whole of an index that holds nothing but waiting runs.
        ("run_queue._COUNT_ALL[0]", "SCAN runs USING INDEX runs_waiting"),
        # The whole of an index that holds nothing but runnable runs.
        ("runs._RUNNABLE[0]", "SCAN runs USING INDEX runs_runnable"),
        # By the words, below a place, in the order of the index.
        ("search._HITS[0]", "SCAN search_index VIRTUAL TABLE INDEX :M1<"),
    ]


async def test_no_statement_sorts_more_than_it_shows(migrated: Path) -> None:
    sorts = []
    for name, sql in statements():
        steps = query_plan(migrated, sql)
        sorts += [name for step in steps if "TEMP B-TREE" in step]
    assert sorted(sorts) == [
        "branches._BEFORE[0]",  # one session, when it is branched
        "run_ends._OPEN_STEPS[0]",  # the steps of one run
        "run_work._NEWEST_FIRST[0]",  # the messages of one run at a time
        "run_work._OLDEST_FIRST[0]",
        "run_work._STEPS[0]",  # the steps of one run
        "runs._STEPS[0]",
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


def test_every_migration_says_who_can_use_the_database_after_it() -> None:
    scripts = ScriptDirectory(str(PACKAGE / "migrations"))
    told = [
        (script.module.min_reader, int(script.revision))
        for script in reversed(list(scripts.walk_revisions()))
    ]
    assert [min_reader for min_reader, _ in told] == sorted(
        min_reader for min_reader, _ in told
    )
    assert all(0 < min_reader <= number for min_reader, number in told)
