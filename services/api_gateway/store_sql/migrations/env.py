"""Runs migrations on the connection the store gives, in one transaction.

A table can only be built anew while foreign keys are not enforced; they are checked
before the transaction is committed. Each migration says, as `min_reader`, the oldest
schema whose code can use the database after it: its own number, unless it only adds
what older code leaves alone.
"""

from typing import Any

from alembic import context

from services.api_gateway.store_sql.models import metadata

_SET_MIN_READER = "INSERT OR REPLACE INTO meta (key, value) VALUES ('min_reader', ?)"


def _say_min_reader(*, step: Any, **_: object) -> None:  # noqa: ANN401 - alembic has no name for it
    migration = step.up_revision.module
    connection.exec_driver_sql(_SET_MIN_READER, (str(migration.min_reader),))


connection = context.config.attributes["connection"]
connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
connection.exec_driver_sql("BEGIN IMMEDIATE")
context.configure(
    connection=connection,
    target_metadata=metadata,
    transactional_ddl=False,
    on_version_apply=_say_min_reader,  # type: ignore[arg-type] # given by keyword
)
context.run_migrations()
broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
if broken:
    problem = f"rows without what they refer to: {broken[:10]}"
    raise RuntimeError(problem)
connection.exec_driver_sql("COMMIT")
connection.exec_driver_sql("PRAGMA foreign_keys = ON")
