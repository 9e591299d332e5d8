"""Development on a cluster: what skaffold renders, and how fast a change is seen."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
import yaml
from playwright.async_api import expect

from libs.testing.client import FounderClient
from libs.toolchain.browser import find_chromium
from libs.toolchain.cluster import NAMESPACE_FILE
from libs.toolchain.paths import ROOT
from tests.cluster.crews import served_digest
from tests.cluster.kubernetes import Kubernetes, Object, wait_until
from tests.e2e.visitor import Visitor, open_browser
from tests.figures import figure
from tests.real import missing

pytestmark = pytest.mark.timeout(1200)

_PROFILES = ("kind", "staging", "ci")
_IMAGES = ("api-gateway", "orchestrator", "operator", "frontend")
_TAG = "0.0.0-rendered"
_URL = "http://venturebots.localhost"
_START_SECONDS = 600
_CREW_SECONDS = 180
_FORWARDED = re.compile(r"service/venturebots-api-gateway .* -> (http://\S+)")
_NAMESPACE = "venturebots"


@pytest.fixture(scope="module")
def skaffold(kubernetes: Kubernetes) -> Kubernetes:
    """Have a cluster beside a skaffold; a namespace that holds pods to `restricted`."""
    if shutil.which("skaffold", path=kubernetes.environment["PATH"]) is None:
        missing("no skaffold: testbed fetch dev")
    kubernetes.kubectl("apply", "--filename", NAMESPACE_FILE)
    return kubernetes


@pytest.mark.parametrize("profile", _PROFILES)
def test_every_profile_renders_the_images_that_were_built(
    profile: str, skaffold: Kubernetes, tmp_path: Path
) -> None:
    builds = tmp_path / "builds.json"
    named = [f"venturebots/{image}" for image in _IMAGES]
    told = [{"imageName": name, "tag": f"{name}:{_TAG}"} for name in named]
    builds.write_text(json.dumps({"builds": told}))

    rendered = tmp_path / "rendered.yaml"
    skaffold.run(
        *("skaffold", "render", "--profile", profile, "--output", str(rendered)),
        *("--build-artifacts", str(builds), "--digest-source", "none"),
    )

    documents = yaml.safe_load_all(rendered.read_text())
    objects: list[Object] = [one for one in documents if one]
    images = {
        container["image"]
        for one in objects
        if one["kind"] == "Deployment"
        for container in one["spec"]["template"]["spec"]["containers"]
    }
    assert images == {f"{name}:{_TAG}" for name in named}


class _Loop:
    """A checkout that `skaffold dev` follows, and the release it keeps."""

    def __init__(self, kubernetes: Kubernetes, folder: Path) -> None:
        self.url = f"{_URL}:{kubernetes.http_port}"
        self._folder = folder
        self._log = (folder.parent / "skaffold.log").open("w")
        _copy_checkout(kubernetes, folder)
        program = shutil.which("skaffold", path=kubernetes.environment["PATH"])
        assert program is not None
        context = kubernetes.environment["VB_CLUSTER_CONTEXT"]
        options = ("--kube-context", context)
        self.process = subprocess.Popen(
            (program, "dev", "--profile", "kind", *options),
            cwd=folder,
            env={**kubernetes.environment, "VB_EXTERNAL_URL": self.url},
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def change(self, path: str, old: str, new: str) -> None:
        """Edit a file of the checkout."""
        file = self._folder / path
        text = file.read_text()
        assert old in text, f"{path} has no {old!r}"
        file.write_text(text.replace(old, new, 1))

    def shows(self, path: str, text: str) -> bool:
        """Whether an address answers with a text."""
        assert self.process.poll() is None, self.told()
        try:
            answer = httpx.get(self.url + path, trust_env=False)
        except httpx.TransportError:
            return False
        return answer.is_success and text in answer.text

    def is_watching(self) -> bool:
        """Whether skaffold would notice a change: only when all is ready."""
        return "Watching for changes" in self.told()

    def is_titled(self, title: str) -> bool:
        """Whether the API's description has a title."""
        return self.shows("/openapi.json", f'"title": "{title}"')

    def forwarded(self) -> str:
        """Where on this machine the API is forwarded to; empty before it is."""
        found = _FORWARDED.search(self.told())
        return found[1] if found else ""

    def told(self) -> str:
        """What skaffold wrote."""
        return Path(self._log.name).read_text()

    def leave(self) -> None:
        """End it as Ctrl-C does, which uninstalls; once is enough."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(_START_SECONDS)
        self._log.close()


def _copy_checkout(kubernetes: Kubernetes, folder: Path) -> None:
    words = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in kubernetes.run("git", *words).stdout.split("\0"):
        copy = folder / name
        if name and os.path.lexists(ROOT / name):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy, follow_symlinks=False)


async def _reply_after_an_edit(loop: _Loop) -> float:
    """Change a crew in configs/; return how long until a reply is by the change."""
    async with await FounderClient.arrive(loop.url) as founder:
        session_id = (await founder.create_session())["session_id"]
        before = await served_digest(founder, session_id, "I copy invoices by hand.")
        started = time.monotonic()
        loop.change("configs/crews/prompts/reply.md", "\n", "\nBe brief today.\n")
        while before == await served_digest(founder, session_id, "And again."):
            assert time.monotonic() - started < _CREW_SECONDS, loop.told()
    return time.monotonic() - started


def _is_logged(kubernetes: Kubernetes, event: str) -> bool:
    """Whether the orchestrator that runs now has said something."""
    words = ("logs", "deployment/venturebots-orchestrator", "--namespace", _NAMESPACE)
    return event in kubernetes.kubectl(*words, is_checked=False)


def _releases(kubernetes: Kubernetes) -> list[str]:
    words = ("list", "--namespace", _NAMESPACE, "--output", "json")
    listed = json.loads(kubernetes.helm(*words).stdout)
    return [release["name"] for release in listed]


@pytest.fixture
def loop(skaffold: Kubernetes, tmp_path: Path) -> Iterator[_Loop]:
    """Start `skaffold dev` in a copy of the checkout."""
    running = _Loop(skaffold, tmp_path / "checkout")
    yield running
    running.leave()
    print(running.told()[-20_000:])  # noqa: T201 - pytest shows it beside a failure


async def test_changes_of_python_page_and_crews_are_seen(
    loop: _Loop, skaffold: Kubernetes
) -> None:
    first = wait_until(
        lambda: (
            loop.is_watching() and bool(loop.forwarded()) and loop.shows("/", "<html")
        ),
        "the first deployment",
        limit_seconds=_START_SECONDS,
    )
    async with await FounderClient.arrive(loop.forwarded()) as founder:
        assert await founder.create_session()

    loop.change("services/api_gateway/app.py", 'title="VentureBots"', 'title="Changed"')
    python = wait_until(partial(loop.is_titled, "Changed"), "the changed title")
    loop.change("services/orchestrator/app.py", '"ready",', '"ready for runs",')
    wait_until(partial(_is_logged, skaffold, "ready for runs"), "the changed word")

    page = await _page_after_an_edit(loop)
    crew = await _reply_after_an_edit(loop)
    figure(
        f"skaffold dev: first {first:.1f} s, Python {python:.1f} s, page {page:.1f} s,"
        f" crew {crew:.1f} s"
    )

    await asyncio.to_thread(loop.leave)
    assert _releases(skaffold) == []


async def test_what_is_deployed_shows_the_page_and_chats(skaffold: Kubernetes) -> None:
    url = f"{_URL}:{skaffold.http_port}"
    try:
        await asyncio.to_thread(skaffold.run, "make", "deploy")
        async with open_browser(_chromium()) as browser:
            tab = await Visitor(url, browser).tab()
            await expect(tab.page.locator("#main")).to_be_visible(timeout=60_000)
        async with await FounderClient.arrive(url) as founder:
            session_id = (await founder.create_session())["session_id"]
            assert await served_digest(founder, session_id, "I copy invoices by hand.")
    finally:
        words = ("uninstall", "venturebots", "--namespace", _NAMESPACE, "--wait")
        skaffold.helm(*words)
    assert _releases(skaffold) == []


async def _page_after_an_edit(loop: _Loop) -> float:
    """Change a component; return how long until an open page shows it."""
    async with open_browser(_chromium()) as browser:
        visitor = Visitor(loop.url, browser)
        visitor.is_outage_expected = True
        tab = await visitor.tab()
        await expect(tab.page.locator("#main")).to_be_visible(timeout=120_000)
        started = time.monotonic()
        loop.change("frontend/src/app/app.tsx", 'id="main"', 'id="main" lang="tlh"')
        await expect(tab.page.locator('#main[lang="tlh"]')).to_be_visible(
            timeout=120_000
        )
        return time.monotonic() - started


def _chromium() -> str | None:
    chromium = find_chromium()
    return None if chromium is None else str(chromium)
