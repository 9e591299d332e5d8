"""Founders, the hashes of their tokens and who owns a stream."""

import sqlite3
from uuid import uuid4

from sqlalchemy import insert, select

from services.api_gateway.store_sql.log import Tx, founder_stream
from services.api_gateway.store_sql.models import founders, streams, tokens
from services.api_gateway.store_sql.statements import Reading, Statement, given
from services.api_gateway.wire.views import FounderView

__all__ = ["INSERT_STREAM", "add_token", "create", "find_by_token", "owns_stream"]

_INSERT = Statement(insert(founders))
_INSERT_TOKEN = Statement(insert(tokens))
INSERT_STREAM = Statement(insert(streams))
_BY_TOKEN = Statement(
    select(founders)
    .join(tokens, tokens.c.founder_id == founders.c.founder_id)
    .where(tokens.c.token_hash == given("token_hash"))
)
_OWNED_STREAM = Statement(
    select(streams.c.stream).where(
        streams.c.stream == given("stream"),
        streams.c.founder_id == given("founder_id"),
    )
)


def create(tx: Tx, token_hash: str) -> FounderView:
    """A new founder; the same token again gives the same founder."""
    if (known := find_by_token(tx, token_hash)) is not None:
        return known
    founder_id = str(uuid4())
    tx.change(_INSERT, founder_id=founder_id, created_at=tx.now)
    tx.change(
        _INSERT_TOKEN, token_hash=token_hash, founder_id=founder_id, created_at=tx.now
    )
    stream = founder_stream(founder_id)
    tx.change(
        INSERT_STREAM,
        stream=stream,
        founder_id=founder_id,
        kind="founder",
        last_seq=0,
        compacted_through=0,
    )
    return FounderView(founder_id=founder_id, created_at=tx.now, stream=stream)


def add_token(tx: Tx, founder_id: str, token_hash: str) -> FounderView:
    """One token more for a founder there is; the others stay."""
    tx.change(
        _INSERT_TOKEN, token_hash=token_hash, founder_id=founder_id, created_at=tx.now
    )
    (row,) = tx.all(_BY_TOKEN, token_hash=token_hash)
    return _view(row)


def find_by_token(reading: Reading, token_hash: str) -> FounderView | None:
    """The founder whose token has this hash."""
    row = reading.one(_BY_TOKEN, token_hash=token_hash)
    return None if row is None else _view(row)


def owns_stream(reading: Reading, founder_id: str, stream: str) -> bool:
    """Whether the stream exists and is the founder's."""
    row = reading.one(_OWNED_STREAM, stream=stream, founder_id=founder_id)
    return row is not None


def _view(row: sqlite3.Row) -> FounderView:
    return FounderView(
        founder_id=row["founder_id"],
        created_at=row["created_at"],
        stream=founder_stream(row["founder_id"]),
    )
