"""The page is served safely and kept by browsers as long as it should be."""

import gzip
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from services.api_gateway.page import PAGE_POLICY
from services.api_gateway.tests.gateway import (
    RunningGateway,
    config_for,
    open_gateway,
    problem_of,
    raw_request,
)

INDEX = "<!doctype html><title>VentureBots</title>"
SCRIPT = "export const answer = 42;" * 50


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[RunningGateway]:
    """A gateway with a built page and a secret beside it."""
    tmp_path = tmp_path_factory.mktemp("gateway")
    assets = tmp_path / "dist" / "assets"
    assets.mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("the secret")
    (tmp_path / "dist" / "index.html").write_text(INDEX)
    (tmp_path / "dist" / "favicon.svg").write_text("<svg/>")
    (tmp_path / "dist" / "link.txt").symlink_to(tmp_path / "secret.txt")
    (assets / "app-1a2b.js").write_text(SCRIPT)
    (assets / "app-1a2b.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    async with open_gateway(config_for(tmp_path)) as running:
        yield running


async def test_every_address_of_the_page_is_the_page(
    stranger: httpx.AsyncClient,
) -> None:
    for path in ("/", "/index.html", "/sessions/123", "/sessions/a.b", "/v1x"):
        answer = await stranger.get(path)
        assert answer.status_code == HTTPStatus.OK, path
        assert answer.text == INDEX
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.headers["content-security-policy"] == PAGE_POLICY
        assert answer.headers["cache-control"] == "no-cache"


async def test_assets_are_kept_for_good_and_sent_compressed(
    stranger: httpx.AsyncClient,
) -> None:
    for coding in ("gzip", "identity", "gzip;q=0"):
        headers = {"Accept-Encoding": coding}
        answer = await stranger.get("/assets/app-1a2b.js", headers=headers)
        assert answer.text == SCRIPT
        assert answer.headers["content-type"].startswith("text/javascript")
        assert answer.headers["cache-control"].endswith("immutable")
        assert answer.headers["vary"] == "Accept-Encoding"
        encoded = answer.headers.get("content-encoding")
        assert encoded == ("gzip" if coding == "gzip" else None)
        tag = {"If-None-Match": answer.headers["etag"]}
        again = await stranger.get("/assets/app-1a2b.js", headers=headers | tag)
        assert again.status_code == HTTPStatus.NOT_MODIFIED


async def test_an_unchanged_page_keeps_its_policy(stranger: httpx.AsyncClient) -> None:
    first = await stranger.get("/")
    again = await stranger.get("/", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == HTTPStatus.NOT_MODIFIED
    policy = "content-security-policy"
    assert again.headers[policy] == first.headers[policy]


async def test_a_missing_asset_is_not_the_page(stranger: httpx.AsyncClient) -> None:
    for path in ("/assets/old.js", "/assets/", "/assets"):
        answer = await stranger.get(path)
        assert answer.status_code == HTTPStatus.NOT_FOUND, path
        assert problem_of(answer)["code"] == "not_found"


async def test_only_reading_a_page_is_possible(stranger: httpx.AsyncClient) -> None:
    assert (await stranger.head("/")).status_code == HTTPStatus.OK
    answer = await stranger.post("/", json={})
    assert answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED


@pytest.mark.parametrize(
    "path",
    [
        b"/../secret.txt",
        b"/assets/../../secret.txt",
        b"/%2e%2e/secret.txt",
        b"/..%2fsecret.txt",
        b"/%2e%2e%2fsecret.txt",
        b"/..%5csecret.txt",
        b"//secret.txt",
        b"/%2fsecret.txt",
        b"/link.txt",
        b"/index.html%00.txt",
        b"/" + b"a" * 5_000,
        b"/assets/%ff%fe",
    ],
)
async def test_nothing_outside_the_page_is_reachable(
    gateway: RunningGateway, path: bytes
) -> None:
    answer = await raw_request(
        gateway.port,
        b"GET " + path + b" HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n",
    )
    status = answer.partition(b"\r\n")[0]
    assert b"the secret" not in answer
    assert b" 200 " in status or b" 404 " in status, status


async def test_a_socket_at_a_page_address_is_refused(gateway: RunningGateway) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        await connect(f"ws://127.0.0.1:{gateway.port}/sessions/1", proxy=None)
    assert refusal.value.response.status_code == HTTPStatus.FORBIDDEN


async def test_a_page_that_is_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    config = config_for(tmp_path, page_directory=tmp_path / "nothing")
    async with open_gateway(config) as gateway, gateway.http() as http:
        answer = await http.get("/")
        assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        assert "make frontend" in answer.text
        assert (await http.get("/readyz")).is_success
