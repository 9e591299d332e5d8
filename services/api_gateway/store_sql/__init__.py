"""The store on SQLite: one writer, group commit, readers beside it."""

from services.api_gateway.store_sql.store import open_store
from services.api_gateway.store_sql.verify import verify

__all__ = ["open_store", "verify"]
