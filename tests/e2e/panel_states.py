"""What can be done with sessions, and from another device."""

import re

from playwright.async_api import expect

from tests.e2e.chat_page import ChatPage
from tests.e2e.state_steps import answered, home, open_drawer

__all__ = [
    "archive",
    "deleting",
    "link_refused",
    "linked",
    "linking",
    "nothing_found",
    "renaming",
    "search",
    "session_menu",
    "toast",
]

_TOASTS_STAY = """
() => {
  const later = globalThis.setTimeout;
  globalThis.setTimeout = (what, ms, ...rest) =>
    ms === 4000 ? 0 : later(what, ms, ...rest);
}
"""


async def session_menu(tab: ChatPage) -> None:
    """What can be done with a session is listed."""
    await answered(tab)
    await open_drawer(tab)
    await tab.page.get_by_role("button", name=tab.words.actions_for).first.click()
    await expect(tab.page.get_by_role("menuitem").first).to_be_focused()


async def renaming(tab: ChatPage) -> None:
    """A title is being written."""
    await _choose(tab, tab.words.rename)
    title = tab.page.get_by_role("textbox", name=tab.words.title)
    await expect(title).to_be_focused()


async def deleting(tab: ChatPage) -> None:
    """The page asks before it deletes."""
    await _choose(tab, tab.words.delete_from_menu)
    await expect(tab.page.get_by_role("dialog").last).to_be_visible()


async def toast(tab: ChatPage) -> None:
    """A few words say what just happened, above whatever is open."""
    await deleting(tab)
    await tab.page.evaluate(_TOASTS_STAY)
    dialog = tab.page.get_by_role("dialog").last
    await dialog.get_by_role("button", name=tab.words.delete, exact=True).click()
    await expect(tab.page).to_have_url(re.compile(r"/$"))
    await expect(tab.page.locator(":popover-open [class*=_toast_]")).to_be_visible()


async def archive(tab: ChatPage) -> None:
    """The archive is open, and holds something."""
    await _choose(tab, tab.words.archive)
    name = tab.words.archived_sessions
    await tab.page.get_by_role("button", name=name).click()
    await expect(tab.page.get_by_role("link").nth(1)).to_be_visible()


async def search(tab: ChatPage) -> None:
    """Something was found."""
    await answered(tab)
    await open_drawer(tab)
    await tab.page.get_by_role("searchbox").fill("bakery")
    await expect(tab.page.locator("mark").first).to_be_visible()


async def nothing_found(tab: ChatPage) -> None:
    """Nothing was found."""
    await home(tab)
    await open_drawer(tab)
    await tab.page.get_by_role("searchbox").fill("zeppelin")
    status = tab.page.get_by_role("navigation").get_by_role("status")
    await expect(status).to_contain_text(re.compile("zeppelin"))


async def linking(tab: ChatPage) -> None:
    """A link for another device is shown."""
    await home(tab)
    await open_drawer(tab)
    await tab.page.get_by_role("button", name=tab.words.open_elsewhere).click()
    await expect(tab.page.get_by_test_id("link-expiry")).to_be_visible()


async def linked(tab: ChatPage) -> None:
    """A link was followed; the page asks before it is used."""
    await tab.page.goto("/link#a-link-that-was-never-made")
    await expect(tab.page.get_by_role("heading", level=1)).to_be_visible()


async def link_refused(tab: ChatPage) -> None:
    """The link works no more."""
    await linked(tab)
    await tab.page.get_by_role("button", name=tab.words.open_here).click()
    await expect(tab.page.get_by_role("alert")).to_be_visible()


async def _choose(tab: ChatPage, action: str) -> None:
    await session_menu(tab)
    await tab.page.get_by_role("menuitem", name=action, exact=True).click()
