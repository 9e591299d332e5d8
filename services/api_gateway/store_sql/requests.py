"""Remembered answers: a command repeated under its id gets the first one."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, insert, select, update

from services.api_gateway.errors import RequestIdReusedError, SessionUnknownError
from services.api_gateway.store import CommandKey
from services.api_gateway.store_sql.log import Tx, json_text, timestamp
from services.api_gateway.store_sql.models import requests
from services.api_gateway.store_sql.statements import Statement, given

__all__ = ["forget", "forget_session", "recall", "remember"]

_FIND = Statement(
    select(requests.c.body_digest, requests.c.result).where(
        requests.c.founder_id == given("founder_id"),
        requests.c.route == given("route"),
        requests.c.request_id == given("request_id"),
    )
)
_INSERT = Statement(insert(requests))
_EMPTY = Statement(
    update(requests)
    .where(requests.c.session_id == given("of_session"))
    .values(result="")
)
_FORGET = Statement(delete(requests).where(requests.c.created_at < given("before")))


def recall(tx: Tx, key: CommandKey) -> dict[str, Any] | None:
    """The first answer to a repeated command.

    Raises `RequestIdReusedError` when the body was another, and
    `SessionUnknownError` when the session has been deleted since.
    """
    if key.request_id is None:
        return None
    row = tx.one(
        _FIND, founder_id=key.founder_id, route=key.route, request_id=key.request_id
    )
    if row is None:
        return None
    if row["body_digest"] != key.body_digest:
        raise RequestIdReusedError(
            f"request {key.request_id} came before with another body; use a new id"
        )
    if not row["result"]:
        raise SessionUnknownError("the session of this request has been deleted")
    result: dict[str, Any] = json.loads(row["result"])
    return result


def remember(
    tx: Tx, key: CommandKey, session_id: str, result: Mapping[str, object]
) -> None:
    """Keep the first answer for whoever asks again."""
    if key.request_id is None:
        return
    tx.change(
        _INSERT,
        founder_id=key.founder_id,
        route=key.route,
        request_id=key.request_id,
        body_digest=key.body_digest,
        session_id=session_id,
        result=json_text(result),
        created_at=tx.now,
    )


def forget_session(tx: Tx, session_id: str) -> None:
    """Empty the answers of a deleted session; its commands are not done again."""
    tx.change(_EMPTY, of_session=session_id)


def forget(tx: Tx, *, older_than_seconds: int) -> int:
    """Drop answers nobody will ask for again; returns how many."""
    return tx.change(_FORGET, before=timestamp(tx.now_ms / 1000 - older_than_seconds))
