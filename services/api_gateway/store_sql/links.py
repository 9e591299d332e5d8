"""Links: a founder opened on another device, once and soon.

Only the hash of a link's secret is kept, and only until it expires or gives way to
newer ones. The request that used a link may come again: its answer can be lost.
"""

from sqlalchemy import delete, insert, select, update

from services.api_gateway.errors import LinkInvalidError
from services.api_gateway.store import CommandKey
from services.api_gateway.store_sql import founders, requests
from services.api_gateway.store_sql.log import Tx, timestamp
from services.api_gateway.store_sql.models import links
from services.api_gateway.store_sql.statements import Statement, given
from services.api_gateway.wire.views import FounderView

__all__ = ["MOST_LIVE", "create", "redeem"]

MOST_LIVE = 5
"""Of a founder at a time; one more ends the oldest."""

_INSERT = Statement(insert(links))
_FORGET_EXPIRED = Statement(delete(links).where(links.c.expires_at_ms <= given("now")))
_OF_FOUNDER = Statement(
    select(links.c.link_hash)
    .where(links.c.founder_id == given("founder_id"))
    .order_by(links.c.expires_at_ms.desc())
)
_FORGET = Statement(delete(links).where(links.c.link_hash == given("link_hash")))
_LIVE = Statement(
    select(links).where(
        links.c.link_hash == given("link_hash"), links.c.expires_at_ms > given("now")
    )
)
_USE = Statement(
    update(links)
    .where(links.c.link_hash == given("of_link"))
    .values(redeemed_by=given("request_id"))
)


def create(tx: Tx, key: CommandKey, link_hash: str, *, lifetime_seconds: int) -> str:
    """Keep a link; returns when it expires."""
    if (first := requests.recall(tx, key)) is not None:
        expires_at: str = first["expires_at"]
        return expires_at
    tx.change(_FORGET_EXPIRED, now=tx.now_ms)
    live = tx.all(_OF_FOUNDER, founder_id=key.founder_id)
    for oldest in live[MOST_LIVE - 1 :]:
        tx.change(_FORGET, link_hash=oldest["link_hash"])
    expires_at_ms = tx.now_ms + lifetime_seconds * 1_000
    tx.change(
        _INSERT,
        link_hash=link_hash,
        founder_id=key.founder_id,
        expires_at_ms=expires_at_ms,
        redeemed_by=None,
    )
    expires_at = timestamp(expires_at_ms / 1_000)
    requests.remember(tx, key, "", {"expires_at": expires_at})
    return expires_at


def redeem(tx: Tx, link_hash: str, *, request_id: str, token_hash: str) -> FounderView:
    """Use a link up and give its founder one token more.

    Raises `LinkInvalidError`, which does not tell why.
    """
    link = tx.one(_LIVE, link_hash=link_hash, now=tx.now_ms)
    if link is None or link["redeemed_by"] not in {None, request_id}:
        raise LinkInvalidError(
            "the link is not valid: it works once, for 10 minutes; make a new one"
        )
    tx.change(_USE, of_link=link_hash, request_id=request_id)
    return founders.add_token(tx, link["founder_id"], token_hash)
