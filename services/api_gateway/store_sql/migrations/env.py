"""Runs migrations on the connection the store gives, in one transaction."""

from alembic import context

from services.api_gateway.store_sql.models import metadata

connection = context.config.attributes["connection"]
connection.exec_driver_sql("BEGIN IMMEDIATE")
context.configure(
    connection=connection, target_metadata=metadata, transactional_ddl=False
)
context.run_migrations()
connection.exec_driver_sql("COMMIT")
