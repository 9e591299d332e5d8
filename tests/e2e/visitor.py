"""A real browser, and one person in it; whatever a page complains of counts."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from tests.e2e.chat_page import ChatPage
from tests.e2e.words import ENGLISH, Words

__all__ = ["Visitor", "open_browser"]

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
# What it says when an interface of the machine comes or goes, as containers that
# start beside the tests make it: no page can cause it, and every page outlives it.
_INTERFACES_CHANGED = "net::ERR_NETWORK_CHANGED"


@asynccontextmanager
async def open_browser(chromium: str | None, *flags: str) -> AsyncGenerator[Browser]:
    """Launch a browser: the program at a path, else Playwright's own."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(
            executable_path=chromium, args=[*_FLAGS, *flags]
        )
        yield launched
        await launched.close()


class Visitor:
    """One person's browser profile; its tabs share the cookie."""

    def __init__(self, url: str, browser: Browser) -> None:
        self.url = url
        self.is_outage_expected = False
        self._browser = browser
        self._closing = AsyncExitStack()
        self._pages: list[Page] = []
        self._errors: list[str] = []

    async def tab(
        self, path: str = "/", *, words: Words = ENGLISH, **options: object
    ) -> ChatPage:
        """Open a tab; the first decides the profile's options."""
        if not self._pages:
            context = await self._browser.new_context(
                base_url=self.url,
                **{"locale": words.locale} | options,  # type: ignore[arg-type] # Playwright's own names
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
        return ChatPage(page, words)

    def _note(self, message: ConsoleMessage) -> None:
        if message.type != "error" or message.text.endswith(_INTERFACES_CHANGED):
            return
        if not (self.is_outage_expected and message.text.startswith(_OUTAGE)):
            self._errors.append(f"{message.text} ({message.location})")

    async def leave(self) -> None:
        """Close everything and prove that no page complained."""
        violations = [
            violation
            for page in self._pages
            for violation in await page.evaluate("globalThis.__violations")
        ]
        await self._closing.aclose()
        assert not violations, violations
        assert not self._errors, self._errors
