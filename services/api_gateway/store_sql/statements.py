"""Statements built once from the tables and executed by the driver.

SQLAlchemy writes the SQL when a module is imported; executing it costs what the
driver costs, not a compilation or a result proxy per call.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

__all__ = ["Reading", "Statement", "fixed", "given"]

_DIALECT = sqlite.dialect(paramstyle="named")

Parameters = Mapping[str, object]


def given(name: str) -> sa.BindParameter[Any]:
    """A parameter that is given when the statement is executed."""
    return sa.bindparam(name, required=False)


def fixed(value: object) -> sa.BindParameter[Any]:
    """A value written into the SQL, so that a partial index can match it."""
    return sa.literal(value, literal_execute=True)


class Statement:
    """A statement as SQL text with the constants it was built with."""

    __slots__ = ("constants", "sql")

    def __init__(self, clause: sa.ClauseElement) -> None:
        compiled = clause.compile(
            dialect=_DIALECT, compile_kwargs={"render_postcompile": True}
        )
        self.sql = str(compiled)
        self.constants: dict[str, object] = {
            name: value for name, value in compiled.params.items() if value is not None
        }

    def bind(self, parameters: Parameters) -> Parameters:
        """Join what is given with the constants."""
        return {**self.constants, **parameters} if self.constants else parameters


class Reading:
    """Reads within one transaction, so that all of it is of one moment."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @property
    def connection(self) -> sqlite3.Connection:
        """What the statements are executed on."""
        return self._connection

    def one(self, statement: Statement, /, **parameters: object) -> sqlite3.Row | None:
        """The only row, or the first."""
        row: sqlite3.Row | None = self.connection.execute(
            statement.sql, statement.bind(parameters)
        ).fetchone()
        return row

    def all(self, statement: Statement, /, **parameters: object) -> list[sqlite3.Row]:
        """Every row."""
        return self.connection.execute(
            statement.sql, statement.bind(parameters)
        ).fetchall()

    def value(self, statement: Statement, /, **parameters: object) -> Any:  # noqa: ANN401 - a column's type is the statement's affair
        """The first column of the first row, or None."""
        row = self.one(statement, **parameters)
        return None if row is None else row[0]

    def change(self, statement: Statement, /, **parameters: object) -> int:
        """Write; returns how many rows were changed."""
        return self.connection.execute(
            statement.sql, statement.bind(parameters)
        ).rowcount

    def change_many(self, statement: Statement, rows: Iterable[Parameters]) -> None:
        """Write once per row."""
        self.connection.executemany(statement.sql, map(statement.bind, rows))
