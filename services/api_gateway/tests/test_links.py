"""A founder is opened on another device by a link."""

from http import HTTPStatus
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from services.api_gateway.tests.gateway import (
    RunningGateway,
    config_for,
    new_session,
    open_gateway,
    problem_of,
)


async def _link(http: httpx.AsyncClient, request_id: str | None = None) -> str:
    body = {"request_id": request_id or str(uuid4())}
    answer = await http.post("/v1/founder/links", json=body)
    assert answer.status_code == HTTPStatus.CREATED
    url: str = answer.json()["url"]
    return url


async def _redeem(
    device: httpx.AsyncClient, url: str, request_id: str | None = None
) -> httpx.Response:
    token = url.partition("#")[2]
    body = {"request_id": request_id or str(uuid4()), "token": token}
    return await device.post("/v1/founder/links/redeem", json=body)


async def test_another_device_is_given_a_cookie_of_its_own(
    gateway: RunningGateway, http: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    session = await new_session(http, title="Mine")
    url = await _link(http)
    assert url.startswith(f"{gateway.url}/link#")
    assert len(url.partition("#")[2]) == 43
    answer = await _redeem(stranger, url)
    founder = (await http.get("/v1/founder")).json()
    assert answer.json() == founder
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    page = (await stranger.get("/v1/sessions")).raise_for_status().json()
    assert [each["session_id"] for each in page["sessions"]] == [session["session_id"]]
    assert (await http.get("/v1/sessions")).is_success


async def test_a_device_that_was_somebody_else_becomes_the_links_founder(
    gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    async with gateway.http() as device:
        device.headers["Origin"] = gateway.url
        minted = (await device.post("/v1/founder", json={})).raise_for_status()
        token = next(iter(device.cookies.jar)).value
        assert token is not None
        answer = (await _redeem(device, await _link(http))).raise_for_status()
        assert answer.json()["founder_id"] != minted.json()["founder_id"]
        assert len(device.cookies.jar) == 1
        again = (await device.get("/v1/founder")).json()
        assert again["founder_id"] == answer.json()["founder_id"]
    async with gateway.http(token) as earlier:
        kept = (await earlier.get("/v1/founder")).raise_for_status().json()
        assert kept["founder_id"] == minted.json()["founder_id"]


async def test_a_link_works_once_and_its_request_may_be_repeated(
    gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    made = str(uuid4())
    url = await _link(http, made)
    assert await _link(http, made) == url
    request_id = str(uuid4())
    for _ in range(2):
        async with gateway.http() as device:
            answer = await _redeem(device, url, request_id)
            assert answer.status_code == HTTPStatus.OK
            assert (await device.get("/v1/sessions")).is_success
    async with gateway.http() as late:
        for token in (url, "#" + "x" * 43, "#\u00e9"):
            problem = problem_of(await _redeem(late, token))
            assert (problem["code"], problem["retryable"]) == ("link_invalid", False)
            assert problem["status"] == HTTPStatus.NOT_FOUND
        assert "set-cookie" not in (await _redeem(late, url)).headers


async def test_only_a_founder_makes_links_and_no_foreign_page_uses_them(
    http: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    body = {"request_id": str(uuid4())}
    refused = await stranger.post("/v1/founder/links", json=body)
    assert problem_of(refused)["code"] == "no_founder"
    url = await _link(http)
    stranger.headers["Origin"] = "https://evil.example"
    assert problem_of(await _redeem(stranger, url))["code"] == "origin_refused"
    del stranger.headers["Origin"]
    assert (await _redeem(stranger, url)).is_success


async def test_no_log_line_and_no_answer_but_the_first_holds_the_secret(
    http: httpx.AsyncClient,
    stranger: httpx.AsyncClient,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = await _link(http)
    secret = url.partition("#")[2]
    answers = [await _redeem(stranger, url) for _ in range(2)]
    answers.append(await http.get("/v1/founder"))
    told = capsys.readouterr()
    assert "/v1/founder/links/redeem" in told.out
    for text in (told.out, told.err, *(each.text for each in answers)):
        assert secret not in text
    assert answers[0].headers["referrer-policy"] == "same-origin"
    assert answers[0].headers["cache-control"] == "no-store"


async def test_links_lead_to_where_browsers_reach_the_gateway_and_are_limited(
    tmp_path: Path,
) -> None:
    config = config_for(
        tmp_path,
        external_url="https://coach.example.org",
        limits={"links_per_hour_per_address": 2},
    )
    async with open_gateway(config) as gateway:
        async with gateway.http(await gateway.new_token()) as founder:
            url = await _link(founder)
        assert url.startswith("https://coach.example.org/link#")
        async with gateway.http() as device:
            for _ in range(2):
                problem = problem_of(await _redeem(device, "#guess"))
                assert problem["code"] == "link_invalid"
            problem = problem_of(await _redeem(device, url))
            assert problem["code"] == "rate_limited"
