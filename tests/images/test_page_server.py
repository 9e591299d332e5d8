"""What nginx sends of the page is what the gateway sends of it."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.api_gateway.app import create_app
from services.api_gateway.config import Config
from tests.images.composition import Composition, docker
from tests.images.conftest import Service

pytestmark = pytest.mark.timeout(300)

_COMPARED = (
    *("cache-control", "content-encoding", "content-security-policy", "vary"),
    *("cross-origin-opener-policy", "referrer-policy", "x-content-type-options"),
)


@pytest.fixture
async def page_folder(product: Composition, tmp_path: Path) -> Path:
    """Copy the page out of its container."""
    container = (await product.containers())[Service.FRONTEND]
    folder = tmp_path / "page"
    await docker("cp", f"{container.id}:/usr/share/nginx/html", str(folder))
    return folder


@pytest.fixture
async def servers(
    product: Composition, page_folder: Path
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Serve the same files by both."""
    app = create_app(Config(page_directory=page_folder))
    async with (
        httpx.AsyncClient(base_url=product.url, trust_env=False) as nginx,
        httpx.AsyncClient(
            base_url="http://gateway", transport=httpx.ASGITransport(app)
        ) as gateway,
    ):
        yield nginx, gateway


def _asset(page_folder: Path, kind: str) -> Path:
    """Find the largest of a kind."""
    found = page_folder.glob(f"assets/{kind}")
    return max(found, key=lambda path: path.stat().st_size)


def _compared(answer: httpx.Response) -> dict[str, str | int | None]:
    told: dict[str, str | int | None] = {"status": answer.status_code}
    told |= {name: answer.headers.get(name) for name in _COMPARED}
    return told


@pytest.mark.parametrize("coding", ["gzip", "identity"])
@pytest.mark.parametrize("kind", ["/", "/sessions/any", "*.js", "*.css", "*.svg"])
async def test_headers_are_the_gateways(
    servers: tuple[httpx.AsyncClient, httpx.AsyncClient],
    page_folder: Path,
    kind: str,
    coding: str,
) -> None:
    nginx, gateway = servers
    path = f"/assets/{_asset(page_folder, kind).name}" if "*" in kind else kind
    asked = {"Accept-Encoding": coding}

    ours, theirs = [await one.get(path, headers=asked) for one in (nginx, gateway)]

    assert ours.status_code == 200
    assert _compared(ours) == _compared(theirs)
    assert ours.content == theirs.content
    assert (ours.headers.get("content-encoding") == "gzip") is (coding == "gzip")
    # Browsers let a 304's policy replace the one of the page they kept.
    again = asked | {"If-None-Match": ours.headers["etag"]}
    unchanged = await nginx.get(path, headers=again)
    assert unchanged.status_code == 304
    policy = "content-security-policy"
    assert unchanged.headers[policy] == ours.headers[policy]


@pytest.mark.parametrize("path", ["/assets/old-script.js", "/metrics", "/readyz"])
async def test_what_is_no_page_is_missing(
    servers: tuple[httpx.AsyncClient, httpx.AsyncClient], path: str
) -> None:
    nginx, _ = servers

    answer = await nginx.get(path)

    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"
    assert "root" not in answer.text


async def test_what_was_compressed_at_the_build_is_sent_as_it_is(
    servers: tuple[httpx.AsyncClient, httpx.AsyncClient], page_folder: Path
) -> None:
    nginx, _ = servers
    script = _asset(page_folder, "*.js")
    asked = {"Accept-Encoding": "gzip"}

    async with nginx.stream("GET", f"/assets/{script.name}", headers=asked) as answer:
        sent = b"".join([chunk async for chunk in answer.aiter_raw()])

    assert sent == script.with_name(script.name + ".gz").read_bytes()
    assert gzip.decompress(sent) == script.read_bytes()


async def test_the_api_is_the_gateways_and_tells_what_a_browser_claims_no_more(
    product: Composition,
) -> None:
    async with httpx.AsyncClient(base_url=product.url, trust_env=False) as nginx:
        for path in ("/config.js", "/openapi.json", "/docs", "/v1/status"):
            answer = await nginx.get(path)
            assert "x-request-id" in answer.headers, path
        own = {"Origin": product.url}
        foreign = {"Origin": "http://elsewhere.example"}
        claimed = {
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "elsewhere.example",
        }
        welcome = await nginx.post("/v1/founder", json={}, headers=own | claimed)
        refused = await nginx.post("/v1/founder", json={}, headers=foreign | claimed)

    assert (welcome.status_code, refused.status_code) == (201, 403)
