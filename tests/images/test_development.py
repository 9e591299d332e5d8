"""`docker compose up --watch`: what is edited is soon what runs."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from libs.testing.client import FounderClient
from libs.testing.stack import REPOSITORY, until
from tests.architecture.sources import files
from tests.images.composition import Composition, docker
from tests.images.conftest import Service
from tests.integration.proofs import prove_shown_is_stored

pytestmark = pytest.mark.timeout(600)

_BUILT_FROM = ("configs", "frontend", "libs", "protos", "requirements", "services")
_GREETING = "globalThis.__VB_CONFIG__"
_RELOAD_SECONDS = 180


@pytest.fixture
async def clone(images: dict[str, str], tmp_path: Path) -> AsyncIterator[Composition]:
    """Start a copy of the checkout, whose images carry a tag of their own."""
    assert images
    folder = tmp_path / "clone"
    await asyncio.to_thread(_copy_checkout, folder)
    composition = Composition(folder=folder, VB_IMAGE_TAG=tmp_path.name.lower())
    try:
        yield composition
    finally:
        await composition.compose("down", "--volumes", "--rmi", "all")


def _copy_checkout(folder: Path) -> None:
    for path in files():
        if path.parts[0] in _BUILT_FROM or len(path.parts) == 1:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / path, folder / path)


async def test_edits_replace_their_service_and_no_conversation_is_lost(
    clone: Composition,
) -> None:
    watching = await asyncio.create_subprocess_exec(
        *("docker", *clone.command, "up", "--build", "--watch"),
        cwd=clone.folder,
        env=clone.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await _shows(clone, "/config.js", _GREETING)
        before = await clone.containers()
        async with await FounderClient.arrive(clone.url) as founder:
            session = await founder.create_session(opening=True)
            async with founder.following(session["session_id"]) as socket:
                await _edit(clone, "services/api_gateway/docs.py", _GREETING, "self.v")
                await _edit(clone, "frontend/index.html", "<title>", "<title>Edited ")
                await _shows(clone, "/config.js", "self.v")
                await _shows(clone, "/", "<title>Edited ")
                state = socket.state(session["stream"])
                await socket.until(lambda: state.is_live and len(state.run_ends) == 1)
                await prove_shown_is_stored(founder, session["session_id"], state)
        after = await clone.containers()
    finally:
        with suppress(ProcessLookupError):
            watching.terminate()
        await watching.wait()

    replaced = [each for each in Service if after[each].id != before[each].id]
    assert replaced == [Service.FRONTEND, Service.GATEWAY]


async def test_a_plain_start_takes_nothing_from_the_development_file() -> None:
    both, alone = [
        json.loads(await docker("compose", *given, "config", "--format", "json"))
        for given in ((), ("--file", "docker-compose.yml"))
    ]

    for service in both["services"].values():
        service.pop("develop", None)
    assert both == alone


async def _edit(clone: Composition, name: str, old: str, new: str) -> None:
    path = clone.folder / name
    text = await asyncio.to_thread(path.read_text)
    assert old in text
    await asyncio.to_thread(path.write_text, text.replace(old, new))


async def _shows(clone: Composition, path: str, wanted: str) -> None:
    async def holds() -> bool:
        with suppress(httpx.HTTPError):
            return wanted in (await http.get(path)).text
        return False

    async with httpx.AsyncClient(base_url=clone.url, trust_env=False) as http:
        await until(holds, timeout_seconds=_RELOAD_SECONDS, what=f"{wanted} at {path}")
