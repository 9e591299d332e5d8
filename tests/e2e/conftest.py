"""A real browser on the real stack; every console error and CSP violation counts."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from libs.testing.model_server import ModelServer, Pace
from libs.testing.stack import REPOSITORY, Stack, free_port
from tests.e2e.chat_page import ChatPage

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_NOTE_VIOLATIONS = """
globalThis.__violations = [];
addEventListener("securitypolicyviolation", (event) => {
  globalThis.__violations.push(`${event.violatedDirective}: ${event.blockedURI}`);
});
"""
# What a browser itself says when the network or the gateway is away on purpose.
_OUTAGE = ("WebSocket connection to", "Failed to load resource")


def _missing(what: str) -> None:
    if os.environ.get("VB_REQUIRE_REAL") == "1":
        pytest.fail(f"{what}, and VB_REQUIRE_REAL=1 asks for it")
    pytest.skip(what)


@pytest.fixture(scope="session")
def chromium() -> str | None:
    """Find a browser: $CHROMIUM, one on PATH, or Playwright's own (None)."""
    for program in (os.environ.get("CHROMIUM"), *_PROGRAMS):
        if program and (path := shutil.which(program)):
            return path
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", "~/.cache/ms-playwright"))
    if not list(cache.expanduser().glob("chromium*")):
        _missing("no Chromium: set CHROMIUM or run `playwright install chromium`")
    return None


@pytest.fixture(scope="module")
def model_port() -> int:
    """Choose the port where the model servers listen, one after another."""
    return free_port()


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, chromium: str | None, model_port: int
) -> Iterator[Stack]:
    """Run the stack with the built page."""
    if not (REPOSITORY / "frontend/dist/index.html").is_file():
        _missing(f"the page is not built for {chromium}: run `make frontend`")
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


@pytest.fixture
async def browser(chromium: str | None) -> AsyncIterator[Browser]:
    """Launch the browser."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(
            executable_path=chromium, args=list(_FLAGS)
        )
        yield launched
        await launched.close()


class Founder:
    """One person's browser profile; its tabs share the cookie."""

    def __init__(self, stack: Stack, browser: Browser) -> None:
        self.stack = stack
        self.is_outage_expected = False
        self._browser = browser
        self._closing = AsyncExitStack()
        self._pages: list[Page] = []
        self._errors: list[str] = []

    async def tab(self, path: str = "/", **options: object) -> ChatPage:
        """Open a tab; the first decides the profile's options."""
        if not self._pages:
            context = await self._browser.new_context(
                base_url=self.stack.url,
                **options,  # type: ignore[arg-type] # Playwright's own names
            )
            await context.add_init_script(_NOTE_VIOLATIONS)
            self._closing.push_async_callback(context.close)
        else:
            context = self._pages[0].context
        page = await context.new_page()
        page.set_default_timeout(30_000)
        page.on("console", self._note)
        page.on("pageerror", lambda error: self._errors.append(str(error)))
        self._pages.append(page)
        await page.goto(path)
        return ChatPage(page)

    def _note(self, message: ConsoleMessage) -> None:
        is_outage = message.text.startswith(_OUTAGE)
        if message.type == "error" and not (self.is_outage_expected and is_outage):
            self._errors.append(message.text)

    async def leave(self) -> None:
        """Close everything and prove that no page complained."""
        violations = [
            violation
            for page in self._pages
            for violation in await page.evaluate("globalThis.__violations")
        ]
        await self._closing.aclose()
        assert violations == []
        assert self._errors == []


@pytest.fixture
async def founder(
    stack: Stack, model: ModelServer, browser: Browser
) -> AsyncIterator[Founder]:
    """Arrive with an empty browser profile."""
    assert model.requests == []
    person = Founder(stack, browser)
    yield person
    await person.leave()
