"""A link opens a founder on one more device: once, soon, and even if interrupted."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest

from services.api_gateway.errors import LinkInvalidError, RequestIdReusedError
from services.api_gateway.store_sql import links
from services.api_gateway.store_sql.tests.bench import Bench, Clock, Published
from services.api_gateway.store_sql.tests.conftest import OpenAdapter
from services.api_gateway.wire.views import FounderView


async def make(bench: Bench, link_hash: str, *, request_id: str | None = None) -> str:
    """A link of the bench's founder."""
    key = bench.key("founder.link", request_id or str(uuid4()), body=link_hash)
    return await bench.store.create_link(key, link_hash, lifetime_seconds=600)


async def redeem(
    bench: Bench, link_hash: str, *, request_id: str | None = None
) -> FounderView:
    """Use a link from another device."""
    return await bench.store.redeem_link(
        link_hash, request_id=request_id or str(uuid4()), token_hash=uuid4().hex
    )


async def test_a_link_gives_another_token_to_the_same_founder(bench: Bench) -> None:
    before = await bench.log(f"founder:{bench.founder_id}")
    await make(bench, "link")
    hashed = uuid4().hex
    founder = await bench.store.redeem_link(
        "link", request_id=str(uuid4()), token_hash=hashed
    )
    assert founder.founder_id == bench.founder_id
    assert await bench.store.founder_by_token(hashed) == founder
    assert await bench.log(f"founder:{bench.founder_id}") == before


async def test_of_twenty_who_use_a_link_at_once_one_gets_in(bench: Bench) -> None:
    await make(bench, "link")
    results = await asyncio.gather(
        *(redeem(bench, "link") for _ in range(20)), return_exceptions=True
    )
    refused = [each for each in results if isinstance(each, LinkInvalidError)]
    assert len(refused) == 19


async def test_a_lost_answer_does_not_burn_the_link(bench: Bench) -> None:
    await make(bench, "link")
    request_id = str(uuid4())
    views = [await redeem(bench, "link", request_id=request_id) for _ in range(3)]
    assert {view.founder_id for view in views} == {bench.founder_id}
    with pytest.raises(LinkInvalidError):
        await redeem(bench, "link")
    bench.clock.seconds += 600
    with pytest.raises(LinkInvalidError):
        await redeem(bench, "link", request_id=request_id)


async def test_unknown_expired_and_used_links_are_refused_alike(bench: Bench) -> None:
    refusals = []
    with pytest.raises(LinkInvalidError) as refusal:
        await redeem(bench, "never made")
    refusals.append(str(refusal.value))
    await make(bench, "used")
    await redeem(bench, "used")
    with pytest.raises(LinkInvalidError) as refusal:
        await redeem(bench, "used")
    refusals.append(str(refusal.value))
    await make(bench, "late")
    bench.clock.seconds += 600
    with pytest.raises(LinkInvalidError) as refusal:
        await redeem(bench, "late")
    refusals.append(str(refusal.value))
    assert len(set(refusals)) == 1


async def test_a_link_that_was_used_stays_used_after_a_restart(
    bench: Bench, tmp_path: Path, open_adapter: OpenAdapter
) -> None:
    await make(bench, "used")
    await make(bench, "fresh")
    await redeem(bench, "used")
    await bench.store.aclose()
    published, clock = Published(), Clock()
    bench.store = await open_adapter(
        tmp_path, clock, published.events.extend, published.ended.append
    )
    with pytest.raises(LinkInvalidError):
        await redeem(bench, "used")
    assert (await redeem(bench, "fresh")).founder_id == bench.founder_id
    await bench.store.aclose()


async def test_the_same_request_gives_the_same_link(bench: Bench) -> None:
    request_id = str(uuid4())
    first = await make(bench, "link", request_id=request_id)
    bench.clock.seconds += 60
    assert await make(bench, "link", request_id=request_id) == first
    with pytest.raises(RequestIdReusedError):
        await make(bench, "another", request_id=request_id)


async def test_one_link_too_many_ends_the_oldest(bench: Bench) -> None:
    for number in range(links.MOST_LIVE + 1):
        bench.clock.seconds += 1
        await make(bench, f"link {number}")
    with pytest.raises(LinkInvalidError):
        await redeem(bench, "link 0")
    for number in range(1, links.MOST_LIVE + 1):
        await redeem(bench, f"link {number}")
