"""Which requests that change something are let in."""

from http import HTTPStatus
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from services.api_gateway.tests.gateway import (
    RunningGateway,
    config_for,
    open_gateway,
    problem_of,
    raw_request,
)

BODY = {"request_id": str(uuid4()), "opening": False}


async def test_a_foreign_page_may_not_change_anything(
    gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    for origin in (
        "https://evil.example",
        "null",
        gateway.url.replace("http:", "https:"),
        f"http://127.0.0.1:{gateway.port + 1}",
        f"{gateway.url}.evil.example",
        "",
    ):
        answer = await http.post("/v1/sessions", json=BODY, headers={"Origin": origin})
        assert answer.status_code == HTTPStatus.FORBIDDEN, origin
        assert problem_of(answer)["code"] == "origin_refused"
    listed = await http.get("/v1/sessions")
    assert listed.json()["sessions"] == []


async def test_a_cookie_needs_an_origin(
    gateway: RunningGateway, stranger: httpx.AsyncClient
) -> None:
    own = {"Origin": gateway.url}
    await stranger.post("/v1/founder", json={}, headers=own)
    refused = await stranger.post("/v1/sessions", json=BODY)
    assert refused.status_code == HTTPStatus.FORBIDDEN
    accepted = await stranger.post("/v1/sessions", json=BODY, headers=own)
    assert accepted.status_code == HTTPStatus.CREATED
    session = f"/v1/sessions/{accepted.json()['session_id']}"
    assert (await stranger.delete(session)).status_code == HTTPStatus.FORBIDDEN
    gone = await stranger.delete(session, headers=own)
    assert gone.status_code == HTTPStatus.NO_CONTENT


async def test_a_listed_origin_may(tmp_path: Path) -> None:
    config = config_for(tmp_path, allowed_origins=("https://coach.example",))
    async with (
        open_gateway(config) as gateway,
        gateway.http(await gateway.new_token()) as http,
    ):
        for origin in ("https://coach.example", "https://coach.example:443"):
            body = BODY | {"request_id": str(uuid4())}
            headers = {"Origin": origin}
            answer = await http.post("/v1/sessions", json=body, headers=headers)
            assert answer.status_code == HTTPStatus.CREATED


async def test_behind_a_proxy_the_external_address_is_the_own_origin(
    tmp_path: Path,
) -> None:
    config = config_for(tmp_path, external_url="https://coach.example/")
    async with open_gateway(config) as gateway, gateway.http() as http:
        own = {"Origin": "https://coach.example"}
        created = await http.post("/v1/founder", json={}, headers=own)
        assert created.status_code == HTTPStatus.CREATED
        assert "; Secure" in created.headers["set-cookie"]
        inner = {"Origin": gateway.url}
        refused = await http.post("/v1/founder", json={}, headers=inner)
        assert refused.status_code == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"],
)
async def test_a_body_is_declared_as_json(
    http: httpx.AsyncClient, content_type: str
) -> None:
    answer = await http.post(
        "/v1/sessions", content=b"{}", headers={"Content-Type": content_type}
    )
    assert answer.status_code == HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    assert problem_of(answer)["code"] == "unsupported_media_type"


async def test_a_body_has_at_most_128_kb(
    gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    def pieces() -> list[bytes]:
        return [b'{"title": "', *[b"x" * 1024] * 128, b'"}']

    whole = b"".join(pieces())
    headers = {"Content-Type": "application/json"}
    told = await http.post("/v1/sessions", content=whole, headers=headers)
    assert told.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert problem_of(told)["code"] == "payload_too_large"

    # Chunked: nothing tells the size before it is read.
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in pieces())
    answer = await raw_request(
        gateway.port,
        b"POST /v1/sessions HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
        b"Authorization: " + http.headers["authorization"].encode() + b"\r\n\r\n"
        b"" + chunks + b"0\r\n\r\n",
    )
    assert b" 413 " in answer.partition(b"\r\n")[0]


def _through(host: str, *, origin: str | None = None) -> dict[str, str]:
    """What an ingress in the trusted network adds to a browser's request."""
    return {
        "Host": host,
        "Origin": origin or f"https://{host}",
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "https",
    }


async def test_behind_an_ingress_every_host_name_is_an_origin_of_its_own(
    tmp_path: Path,
) -> None:
    config = config_for(
        tmp_path, trusted_proxies=("127.0.0.0/8",), instance_name="spring"
    )
    async with open_gateway(config) as gateway:
        for host in ("coach.example", "coach.example.org"):
            async with gateway.http() as browser:
                created = await browser.post(
                    "/v1/founder", json={}, headers=_through(host)
                )
                assert created.status_code == HTTPStatus.CREATED
                cookie = created.headers["set-cookie"]
                assert cookie.startswith("vb_founder_spring=")
                assert "; Secure" in cookie
                assert "domain" not in cookie.lower(), "other hosts never see it"
        async with gateway.http() as browser:
            other = _through("coach.example", origin="https://coach.example.org")
            refused = await browser.post("/v1/founder", json={}, headers=other)
            assert refused.status_code == HTTPStatus.FORBIDDEN


async def test_a_second_host_name_is_listed_beside_the_external_one(
    tmp_path: Path,
) -> None:
    config = config_for(
        tmp_path,
        external_url="https://coach.example",
        allowed_origins=("https://coach.example.org",),
        trusted_proxies=("127.0.0.0/8",),
    )
    async with open_gateway(config) as gateway, gateway.http() as browser:
        for host in ("coach.example", "coach.example.org"):
            created = await browser.post("/v1/founder", json={}, headers=_through(host))
            assert created.status_code == HTTPStatus.CREATED
        stranger = _through("coach.example", origin="https://evil.example")
        refused = await browser.post("/v1/founder", json={}, headers=stranger)
        assert refused.status_code == HTTPStatus.FORBIDDEN
