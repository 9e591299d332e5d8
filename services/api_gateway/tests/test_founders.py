"""Becoming a founder and being recognised."""

import gc
import weakref
from http import HTTPStatus
from http.cookies import SimpleCookie
from pathlib import Path

import httpx

from services.api_gateway.config import LimitSettings
from services.api_gateway.founders.service import FounderService
from services.api_gateway.limits import MemoryLimits
from services.api_gateway.store_sql import open_store
from services.api_gateway.tests.gateway import RunningGateway, problem_of


def _cookie(answer: httpx.Response, name: str) -> dict[str, str]:
    jar = SimpleCookie(answer.headers["set-cookie"])
    return {"value": jar[name].value} | dict(jar[name].items())


async def test_a_browser_becomes_a_founder_by_cookie(
    gateway: RunningGateway, stranger: httpx.AsyncClient
) -> None:
    origin = {"Origin": gateway.url}
    created = await stranger.post("/v1/founder", json={}, headers=origin)
    assert created.status_code == HTTPStatus.CREATED
    assert created.json()["token"] is None
    cookie = _cookie(created, gateway.cookie_name)
    assert cookie["httponly"]
    assert cookie["samesite"] == "lax"
    assert cookie["max-age"] == str(400 * 24 * 3600)
    assert not cookie["secure"]

    again = await stranger.post("/v1/founder", json={}, headers=origin)
    assert again.status_code == HTTPStatus.OK
    assert again.json() == created.json()
    told = await stranger.get("/v1/founder")
    assert told.json() == {
        key: value for key, value in created.json().items() if key != "token"
    }
    assert _cookie(told, gateway.cookie_name)["value"] == cookie["value"]


async def test_a_program_takes_the_token_itself(
    gateway: RunningGateway, stranger: httpx.AsyncClient
) -> None:
    created = await stranger.post("/v1/founder", json={"deliver": "body"})
    assert created.status_code == HTTPStatus.CREATED
    assert "set-cookie" not in created.headers
    token = created.json()["token"]
    assert len(token) * 6 >= 256
    async with gateway.http(token) as http:
        told = await http.get("/v1/founder")
        assert told.json()["founder_id"] == created.json()["founder_id"]
        assert "set-cookie" not in told.headers
        again = await http.post("/v1/founder", json={"deliver": "body"})
        assert again.status_code == HTTPStatus.OK
        assert again.json()["token"] is None


async def test_the_body_may_be_left_out(stranger: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json"}
    created = await stranger.post("/v1/founder", headers=headers)
    assert created.status_code == HTTPStatus.CREATED


async def test_a_token_of_another_database_makes_a_new_founder(
    gateway: RunningGateway, stranger: httpx.AsyncClient
) -> None:
    stranger.cookies.set(gateway.cookie_name, "of-another-life")
    headers = {"Origin": gateway.url}
    created = await stranger.post("/v1/founder", json={}, headers=headers)
    assert created.status_code == HTTPStatus.CREATED


async def test_only_a_known_bearer_token_is_a_credential(
    gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    token = http.headers["authorization"].removeprefix("Bearer ")
    for authorization in ("Basic Zm91bmRlcjp4", "Bearer", "Bearer wrong", token, ""):
        async with gateway.http() as other:
            # A valid cookie beside it does not help.
            other.cookies.set(gateway.cookie_name, token)
            other.headers["Authorization"] = authorization
            for answer in (
                await other.get("/v1/founder"),
                await other.post("/v1/founder", json={}),
            ):
                assert answer.status_code == HTTPStatus.UNAUTHORIZED, authorization
                assert problem_of(answer)["code"] == "no_founder"
                assert answer.headers["www-authenticate"] == "Bearer"


async def test_the_scheme_of_a_bearer_token_ignores_case(
    http: httpx.AsyncClient,
) -> None:
    authorization = http.headers["authorization"].replace("Bearer", "bEARER")
    answer = await http.get("/v1/founder", headers={"Authorization": authorization})
    assert answer.status_code == HTTPStatus.OK


async def test_the_store_knows_the_hash_alone(
    gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    token = http.headers["authorization"].removeprefix("Bearer ")
    files = list(gateway.context.config.database_path.parent.glob("venturebots.db*"))
    assert files
    assert all(token.encode() not in file.read_bytes() for file in files)


async def test_who_is_not_heard_of_for_a_minute_takes_no_memory(tmp_path: Path) -> None:
    seconds = [0.0]
    store = await open_store(
        path=tmp_path / "venturebots.db",
        publish=lambda _events: None,
        end_stream=lambda _stream: None,
    )
    founders = FounderService(
        store=store,
        limits=MemoryLimits(LimitSettings()),
        cookie_name="founder",
        clock=lambda: seconds[0],
    )
    left = weakref.ref((await founders.create(address="127.0.0.1")).founder)
    seconds[0] = 30.0
    stays = weakref.ref((await founders.create(address="127.0.0.1")).founder)
    seconds[0] = 61.0
    await founders.create(address="127.0.0.1")
    gc.collect()
    assert left() is None
    assert stays() is not None
    await store.aclose()
