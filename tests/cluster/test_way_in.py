"""A real browser comes in: by Ingress and by HTTPRoute, with TLS and without."""

import asyncio
import base64
import hashlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import override

import httpx
import pytest
from playwright.async_api import Browser, WebSocket, expect

from libs.toolchain.browser import find_chromium
from tests.cluster.crowd import whole_reply
from tests.cluster.kubernetes import Kubernetes, Object, Release, wait_until
from tests.cluster.speaker import speaker_values, start_speaker
from tests.e2e.chat_page import ChatPage
from tests.e2e.visitor import Visitor, open_browser
from tests.real import missing

pytestmark = pytest.mark.timeout(900)

_CERTIFICATE = "coach-tls"
_GATEWAY_CLASS = "traefik"
_LEAST_DELTAS = 10
_PATIENCE_MS = 30_000


@dataclass(frozen=True, slots=True)
class Way:
    """One way in."""

    is_route: bool
    is_secure: bool

    @override
    def __str__(self) -> str:
        by = "route" if self.is_route else "ingress"
        return f"{by} with TLS" if self.is_secure else by

    def values(self, release: Release) -> Object:
        """Values of a release that leads in this way alone."""
        url = release.tls_url if self.is_secure else release.url
        return {
            **speaker_values(),
            "global": {"externalUrl": url},
            "ingress": {"enabled": not self.is_route},
            "gatewayApi": {
                "enabled": self.is_route,
                "gateway": {"create": True, "className": _GATEWAY_CLASS},
            },
            "tls": {"secretName": _CERTIFICATE if self.is_secure else ""},
        }


_WAYS = [
    Way(is_route, is_secure)
    for is_secure in (False, True)
    for is_route in (False, True)
]


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority of this test's own, and what it signed."""

    folder: Path
    host: str
    kubernetes: Kubernetes

    @property
    def context(self) -> ssl.SSLContext:
        """Believe this authority and no other."""
        return ssl.create_default_context(cafile=str(self.folder / "ca.crt"))

    @property
    def pin(self) -> str:
        """The digest of the signed key, as Chromium's flag takes it."""
        public = self.kubernetes.run(
            *("openssl", "pkey", "-in", self._path("tls.key"), "-pubout"),
        ).stdout
        lines = [line for line in public.splitlines() if "-----" not in line]
        digest = hashlib.sha256(base64.b64decode("".join(lines))).digest()
        return base64.b64encode(digest).decode()

    def sign(self) -> None:
        """Make the authority, a key, and a certificate for the host."""
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        self._request(
            *(*key, "-keyout", self._path("ca.key"), "-out", self._path("ca.crt")),
            *("-days", "2", "-subj", "/CN=VentureBots test authority"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )
        self._request(
            *(*key, "-keyout", self._path("tls.key"), "-out", self._path("tls.crt")),
            *("-CA", self._path("ca.crt"), "-CAkey", self._path("ca.key")),
            *("-days", "1", "-subj", f"/CN={self.host}"),
            *("-addext", f"subjectAltName=DNS:{self.host}"),
            *("-addext", "basicConstraints=critical,CA:FALSE"),
            *("-addext", "authorityKeyIdentifier=keyid"),
        )

    def store(self, release: Release) -> None:
        """Put certificate and key where the release's ways in find them."""
        release.kubectl(
            *("create", "secret", "tls", _CERTIFICATE),
            *("--cert", self._path("tls.crt"), "--key", self._path("tls.key")),
        )

    def _request(self, *words: str) -> None:
        self.kubernetes.run("openssl", "req", "-x509", *words)

    def _path(self, name: str) -> str:
        return str(self.folder / name)


@pytest.fixture(scope="module")
def authority(
    shared_empty_release: Release, tmp_path_factory: pytest.TempPathFactory
) -> Authority:
    """Sign a certificate for the release's host and store it there."""
    release = shared_empty_release
    folder = tmp_path_factory.mktemp("authority")
    authority = Authority(folder, release.host, release.kubernetes)
    authority.sign()
    authority.store(release)
    start_speaker(release)
    return authority


@pytest.fixture
async def browser(authority: Authority) -> AsyncIterator[Browser]:
    """Launch a browser that takes the test's certificate, and no other unknown one."""
    chromium = await asyncio.to_thread(find_chromium)
    if chromium is None:
        missing("no Chromium: set CHROMIUM, or put one on PATH")
    pin = f"--ignore-certificate-errors-spki-list={authority.pin}"
    async with open_browser(str(chromium), pin) as launched:
        yield launched


@pytest.mark.parametrize("way", _WAYS, ids=str)
async def test_a_founder_chats_in_a_browser(
    shared_empty_release: Release, authority: Authority, browser: Browser, way: Way
) -> None:
    release = shared_empty_release
    await asyncio.to_thread(_install, release, way)
    url = release.tls_url if way.is_secure else release.url
    await asyncio.to_thread(_answers, url, authority.context)
    visitor = Visitor(url, browser)
    tab = await visitor.tab()
    sockets: list[WebSocket] = []
    tab.page.on("websocket", lambda socket: sockets.append(socket))  # noqa: PLW0108 - Playwright notes a listener on the function itself

    await tab.page.reload()
    await tab.is_live()
    frames = _received(sockets[-1])
    await tab.say("streamed")
    assert await tab.reply_ended() == whole_reply("streamed")
    await tab.say("reloaded")
    await expect(tab.replies).to_have_count(2, timeout=_PATIENCE_MS)
    await tab.reply_began()
    await tab.page.reload()
    await tab.is_live()
    await tab.reply_began()
    assert await tab.reply_ended() == whole_reply("reloaded")
    stopped = await _stopped(tab)

    assert sum('"message.delta"' in frame for frame in frames) >= _LEAST_DELTAS
    assert stopped
    assert whole_reply("stopped").startswith(stopped)
    assert stopped != whole_reply("stopped")
    scheme = "wss" if way.is_secure else "ws"
    assert {socket.url.partition(":")[0] for socket in sockets} == {scheme}
    [cookie] = await tab.page.context.cookies()
    assert (cookie.get("secure"), cookie.get("httpOnly")) == (way.is_secure, True)
    await visitor.leave()


async def _stopped(tab: ChatPage) -> str:
    await tab.say("stopped")
    await expect(tab.replies).to_have_count(3, timeout=_PATIENCE_MS)
    await tab.reply_began()
    await tab.stop_button.click()
    return await tab.reply_ended("cancelled")


def _received(socket: WebSocket) -> list[str]:
    frames: list[str] = []
    socket.on("framereceived", lambda frame: frames.append(str(frame)))
    return frames


def _install(release: Release, way: Way) -> None:
    release.install(**way.values(release))
    kinds = {found["kind"] for found in release.objects("ingresses,httproutes")}
    assert kinds == {"HTTPRoute" if way.is_route else "Ingress"}


def _answers(url: str, authority: ssl.SSLContext) -> None:
    """Wait until page and API answer, by TLS with the right certificate."""
    with httpx.Client(verify=authority, trust_env=False) as client:

        def is_open() -> bool:
            try:
                found = [client.get(url + path) for path in ("/", "/openapi.json")]
            except httpx.TransportError:
                return False
            return all(answer.is_success for answer in found)

        wait_until(is_open, f"an answer at {url}")
