"""Who asks too much is told when to come back."""

import asyncio
from http import HTTPStatus
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from services.api_gateway.config import LimitSettings
from services.api_gateway.errors import RateLimitedError, TooManySocketsError
from services.api_gateway.limits import MemoryLimits, SocketSlots
from services.api_gateway.tests.gateway import (
    config_for,
    new_session,
    open_gateway,
    problem_of,
    say,
)


def _is_limited(answer: httpx.Response) -> bool:
    if answer.status_code != HTTPStatus.TOO_MANY_REQUESTS:
        return False
    problem = problem_of(answer)
    assert (problem["code"], problem["retryable"]) == ("rate_limited", True)
    assert int(answer.headers["retry-after"]) * 1_000 == problem["retry_after_ms"]
    return True


async def test_each_founder_has_a_limit_of_their_own(tmp_path: Path) -> None:
    limits = LimitSettings(messages_per_minute=2, sessions_per_hour=2)
    config = config_for(tmp_path, limits=limits, queue_limit=10)
    async with open_gateway(config) as gateway:
        for _founder in range(2):
            async with gateway.http(await gateway.new_token()) as http:
                session = await new_session(http)
                answers = [
                    await say(http, session["session_id"], "hi") for _ in range(3)
                ]
                assert [_is_limited(answer) for answer in answers] == [0, 0, 1]
                await new_session(http)
                body = {"request_id": str(uuid4()), "opening": False}
                assert _is_limited(await http.post("/v1/sessions", json=body))
                assert (await http.get("/v1/sessions")).is_success


async def test_new_founders_are_limited_by_address(tmp_path: Path) -> None:
    limits = LimitSettings(founders_per_hour_per_address=2)
    proxied = config_for(tmp_path, limits=limits, trusted_proxies=("127.0.0.0/8",))
    async with open_gateway(proxied) as gateway, gateway.http() as http:

        async def arrive(forwarded: str) -> bool:
            headers = {"X-Forwarded-For": forwarded}
            answer = await http.post("/v1/founder", json={}, headers=headers)
            http.cookies.clear()
            return _is_limited(answer)

        assert [await arrive("10.1.1.1") for _ in range(3)] == [False, False, True]
        assert not await arrive("10.2.2.2")
        # What a client writes itself stands left of what the proxy saw.
        assert await arrive("10.3.3.3, 10.1.1.1")


async def test_a_repeated_request_is_charged_once() -> None:
    limits = MemoryLimits(LimitSettings(messages_per_minute=1))
    request_id = uuid4()
    await asyncio.gather(
        *(limits.charge_message("founder", request_id) for _ in range(50))
    )
    refused = uuid4()
    for _ in range(2):
        with pytest.raises(RateLimitedError) as refusal:
            await limits.charge_message("founder", refused)
        assert 0 < (refusal.value.retry_after_ms or 0) <= 60_000
    await limits.charge_message("another", refused)


async def test_an_id_is_charged_once_for_each_kind_of_command() -> None:
    limits = MemoryLimits(LimitSettings(messages_per_minute=1, changes_per_minute=2))
    request_id = uuid4()
    await limits.charge_message("founder", request_id)
    await limits.charge_message("founder", request_id)
    with pytest.raises(RateLimitedError):
        await limits.charge_retry("founder", request_id)
    for route in ("session.update", "session.update", "message.feedback"):
        await limits.charge_change("founder", request_id, route=route)
    for repeated in (uuid4(), None):
        with pytest.raises(RateLimitedError):
            await limits.charge_change("founder", repeated)


async def test_a_branch_is_charged_whatever_else_had_its_id() -> None:
    limits = MemoryLimits(LimitSettings(messages_per_minute=2, sessions_per_hour=2))
    request_id = uuid4()
    await limits.charge_session("founder", request_id)
    await limits.charge_message("founder", request_id)
    for _ in range(2):
        await limits.charge_branch("founder", request_id)
    for charge in (limits.charge_session, limits.charge_message, limits.charge_branch):
        with pytest.raises(RateLimitedError):
            await charge("founder", uuid4())


async def test_a_household_counts_as_one_address() -> None:
    limits = MemoryLimits(LimitSettings(founders_per_hour_per_address=2))
    await limits.charge_founder("2001:db8:1:2::1")
    await limits.charge_founder("2001:db8:1:2:ffff::9")
    with pytest.raises(RateLimitedError):
        await limits.charge_founder("2001:db8:1:2:abcd::")
    await limits.charge_founder("2001:db8:1:3::1")
    for mapped in ("192.0.2.1", "::ffff:192.0.2.1"):
        await limits.charge_founder(mapped)
    with pytest.raises(RateLimitedError):
        await limits.charge_founder("192.0.2.1")


async def test_ratings_and_renamings_are_limited_too(tmp_path: Path) -> None:
    limits = LimitSettings(changes_per_minute=2)
    async with (
        open_gateway(config_for(tmp_path, limits=limits)) as gateway,
        gateway.http(await gateway.new_token()) as http,
    ):
        session = await new_session(http)
        path = f"/v1/sessions/{session['session_id']}"
        answers = [await http.patch(path, json={"title": "New"}) for _ in range(3)]
        assert [_is_limited(answer) for answer in answers] == [0, 0, 1]
        body = {"request_id": str(uuid4()), "value": "up"}
        assert _is_limited(await http.post("/v1/messages/x/feedback", json=body))


def test_sockets_are_counted_by_founder_and_by_address() -> None:
    slots = SocketSlots(LimitSettings(sockets_per_founder=2, sockets_per_address=3))
    slots.acquire("ann", "10.0.0.1")
    slots.acquire("ann", "10.0.0.1")
    with pytest.raises(TooManySocketsError, match="per founder"):
        slots.acquire("ann", "10.0.0.2")
    slots.acquire("bob", "10.0.0.1")
    with pytest.raises(TooManySocketsError, match="from one address"):
        slots.acquire("bob", "10.0.0.1")
    slots.release("ann", "10.0.0.1")
    slots.acquire("bob", "10.0.0.1")
    for founder in ("ann", "bob", "bob"):
        slots.release(founder, "10.0.0.1")
    assert slots.open_sockets == 0
    for host in ("1", "2", "3"):
        slots.acquire(host, f"2001:db8::{host}")
    with pytest.raises(TooManySocketsError, match="from one address"):
        slots.acquire("dan", "2001:db8::4")
    slots.release("1", "2001:db8::1")
    slots.acquire("dan", "2001:db8::4")


def test_a_classroom_of_200_behind_one_router_is_let_in() -> None:
    limits = LimitSettings()
    assert limits.founders_per_hour_per_address >= 200
    assert limits.sockets_per_address >= 2 * 200
