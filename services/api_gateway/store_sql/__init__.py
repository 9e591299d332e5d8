"""The store on SQLite: one writer, group commit, readers beside it."""

from services.api_gateway.store_sql.backup import (
    back_up,
    default_target,
    newest_copy,
    restore,
    thin_out,
)
from services.api_gateway.store_sql.opening import open_store
from services.api_gateway.store_sql.verify import check, verify

__all__ = [
    "back_up",
    "check",
    "default_target",
    "newest_copy",
    "open_store",
    "restore",
    "thin_out",
    "verify",
]
