"""Steps that lead to more than one state of the page."""

import uuid

from playwright.async_api import expect

from tests.e2e.chat_page import ChatPage

__all__ = [
    "STORY",
    "answered",
    "began_empty",
    "home",
    "open_drawer",
    "said",
    "streaming",
]

STORY = (
    "My neighbours run a bakery. Every evening they throw away forty loaves, and in "
    "the morning people ask for bread that is gone by nine."
)
_SLOWLY = "/fault:slow What would you ask them first?"
_BEGIN = """
async (request_id) => (await (await fetch("/v1/sessions", {
  method: "POST",
  headers: {"Content-Type": "application/json"},
  body: JSON.stringify({request_id, opening: false}),
})).json()).session_id
"""


async def home(tab: ChatPage) -> None:
    """Be at the start, connected."""
    await tab.page.goto("/")
    await tab.is_live()
    await expect(tab.composer).to_be_visible()


async def began_empty(tab: ChatPage) -> str:
    """Begin a session in which nothing was said; returns its path."""
    await home(tab)
    session_id = await tab.page.evaluate(_BEGIN, str(uuid.uuid4()))
    return f"/sessions/{session_id}"


async def said(tab: ChatPage, text: str) -> None:
    """Begin a session with a message."""
    await home(tab)
    await tab.send(text)
    await expect(tab.page.get_by_test_id("timeline")).to_be_visible()


async def streaming(tab: ChatPage) -> None:
    """Be in the midst of a reply that takes a minute."""
    await said(tab, f"{STORY} {_SLOWLY}")
    await tab.reply_began()
    await expect(tab.stop_button).to_be_visible()


async def answered(tab: ChatPage, text: str = STORY) -> None:
    """Have a reply that is whole."""
    await said(tab, text)
    await tab.reply_ended()
    await expect(tab.page.get_by_test_id("suggestions")).to_be_visible()


async def open_drawer(tab: ChatPage) -> None:
    """Show the sessions where they are hidden: on a small screen."""
    button = tab.page.get_by_role("button", name=tab.words.show_sessions)
    if await button.is_visible():
        await button.click()
