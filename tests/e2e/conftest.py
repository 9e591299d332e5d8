"""A real browser on the real stack; every console error and CSP violation counts."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from libs.testing.model_server import ModelServer, Pace
from libs.testing.stack import REPOSITORY, Stack, free_port
from tests.e2e.visitor import Visitor, open_browser
from tests.real import missing

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def chromium() -> str | None:
    """Find a browser: $CHROMIUM, one on PATH, or Playwright's own (None)."""
    for program in (os.environ.get("CHROMIUM"), *_PROGRAMS):
        if program and (path := shutil.which(program)):
            return path
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", "~/.cache/ms-playwright"))
    if not list(cache.expanduser().glob("chromium*")):
        missing("no Chromium: set CHROMIUM or run `playwright install chromium`")
    return None


def require_page(chromium: str | None) -> None:
    """Skip, or fail where nothing may be skipped, while the page is not built."""
    if not (REPOSITORY / "frontend/dist/index.html").is_file():
        missing(f"the page is not built for {chromium}: run `make frontend`")


@pytest.fixture(scope="session")
def model_port() -> int:
    """Choose the port where the model servers listen, one after another."""
    return free_port()


@pytest.fixture(scope="session")
def stack(
    tmp_path_factory: pytest.TempPathFactory, chromium: str | None, model_port: int
) -> Iterator[Stack]:
    """Run one stack with the built page; every test is another founder of it."""
    require_page(chromium)
    directory: Path = tmp_path_factory.mktemp("stack")
    running = Stack(directory, model_url=f"http://127.0.0.1:{model_port}/v1")
    asyncio.run(running.start())
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
async def model(model_port: int) -> AsyncIterator[ModelServer]:
    """Serve the model at the pace of a reader: replies of some three seconds."""
    pace = Pace(0.1, tokens_per_second=50, tokens_per_reply=150)
    async with ModelServer(pace, port=model_port) as server:
        yield server


@pytest.fixture(scope="session")
def coached_stack(
    tmp_path_factory: pytest.TempPathFactory, chromium: str | None
) -> Iterator[Stack]:
    """Run the stack with the built page and the simulated coach."""
    require_page(chromium)
    running = Stack(
        tmp_path_factory.mktemp("coached"),
        orchestrator_settings={"VB_ORCHESTRATOR_SIMULATION_HAS_FAULTS": "true"},
        tokens_per_second=1_000,
    )
    asyncio.run(running.start())
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
async def browser(chromium: str | None) -> AsyncIterator[Browser]:
    """Launch the browser."""
    async with open_browser(chromium) as launched:
        yield launched


class Founder(Visitor):
    """A visitor who can reach behind the page, at its stack."""

    def __init__(self, stack: Stack, browser: Browser) -> None:
        super().__init__(stack.url, browser)
        self.stack = stack


@pytest.fixture
async def founder(
    stack: Stack, model: ModelServer, browser: Browser
) -> AsyncIterator[Founder]:
    """Arrive with an empty browser profile."""
    assert model.requests == []
    if not stack.gateway.is_running:  # left killed by a test that failed
        await stack.gateway.start()
    person = Founder(stack, browser)
    yield person
    await person.leave()


@pytest.fixture
async def coached_founder(
    coached_stack: Stack, browser: Browser
) -> AsyncIterator[Founder]:
    """Arrive with an empty browser profile where the simulated coach speaks."""
    person = Founder(coached_stack, browser)
    yield person
    await person.leave()
