"""The page as a founder uses it: by role, by name and by what is written."""

from playwright.async_api import Locator, Page, expect

from libs.testing.model_script import reply_tokens
from tests.e2e.words import ENGLISH, Words

__all__ = ["ChatPage", "whole_reply"]

_TOKENS = 150


def whole_reply(seed: str) -> str:
    """Tell what the model answers to a message with that seed."""
    return "".join(reply_tokens(seed, _TOKENS))


class ChatPage:
    """One tab, in the language its words are of."""

    def __init__(self, page: Page, words: Words = ENGLISH) -> None:
        self.page = page
        self.words = words
        self.composer = page.get_by_role("textbox", name=words.message, exact=True)
        self.send_button = page.get_by_role("button", name=words.send, exact=True)
        self.stop_button = page.get_by_role("button", name=words.stop, exact=True)
        self.retry_button = page.get_by_role("button", name=words.retry, exact=True)
        self.articles = page.get_by_role("article")
        self.replies = page.get_by_role("article", name="VentureBot")
        self.connection = page.get_by_test_id("connection")

    async def say(self, seed: str) -> None:
        """Write a message whose reply is known by its seed, and send it."""
        await self.send(f"Go on [seed:{seed}]")

    async def send(self, text: str) -> None:
        """Write a message and send it."""
        await self.composer.fill(text)
        await self.send_button.click()

    async def reply_began(self) -> Locator:
        """Wait until words of an unfinished reply can be read."""
        reply = self.replies.last
        await expect(reply).to_have_attribute("data-status", "streaming")
        await expect(self._text(reply)).not_to_be_empty()
        return reply

    async def reply_ended(self, status: str = "complete") -> str:
        """Wait until the last reply has ended; returns its text."""
        reply = self.replies.last
        await expect(reply).to_have_attribute("data-status", status, timeout=30_000)
        return (await self._text(reply).inner_text()).strip()

    async def texts(self) -> list[str]:
        """Read every message that is shown."""
        return [text.strip() for text in await self._text(self.page).all_inner_texts()]

    async def is_live(self) -> None:
        """Wait until the connection stands."""
        await expect(self.connection).to_have_attribute(
            "data-state", "live", timeout=30_000
        )

    def _text(self, within: Page | Locator) -> Locator:
        return within.get_by_test_id("message-text")
