"""Everything by keyboard alone: the focus is always somewhere, and can be seen."""

import re

from playwright.async_api import Page, expect

from tests.e2e.conftest import Founder

_FOCUS = """
() => {
  const focused = document.activeElement;
  const label = focused?.getAttribute("aria-label");
  const name = label ?? focused?.textContent?.trim() ?? "";
  let isVisible = false;
  for (let at = focused, up = 0; at && up < 3; at = at.parentElement, up += 1) {
    const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(at);
    isVisible ||= outlineStyle !== "none" && parseFloat(outlineWidth) >= 1
      && !outlineColor.endsWith(", 0)");
  }
  return { tag: focused?.tagName ?? "BODY", name, isVisible };
}
"""
_RESTS = f"(name) => new RegExp(name).test(({_FOCUS})().name)"
_KEYS_TO_ANYTHING = 80


class Keyboard:
    """A founder without a mouse."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def press(self, *keys: str) -> None:
        """Press keys, and look after each where the focus is."""
        for key in keys:
            await self._page.keyboard.press(key)
            await self.has_focus()

    async def type(self, text: str) -> None:
        """Write where the focus is."""
        await self._page.keyboard.type(text)

    async def has_focus(self) -> str:
        """Assert that the focus is on something and can be seen; returns its name."""
        focus = await self._page.evaluate(_FOCUS)
        assert focus["tag"] != "BODY", "the focus was lost"
        assert focus["isVisible"], f"nobody sees that {focus['name']!r} has the focus"
        return str(focus["name"])

    async def go_to(self, name: str, key: str = "Tab") -> None:
        """Press one key until what has that name has the focus."""
        for _ in range(_KEYS_TO_ANYTHING):
            await self.press(key)
            if re.fullmatch(name, await self.has_focus()):
                return
        raise AssertionError(f"{name!r} cannot be reached by {key}")

    async def rests_on(self, name: str) -> None:
        """Wait until what has that name has the focus."""
        await self._page.wait_for_function(_RESTS, arg=f"^(?:{name})$")


async def test_a_whole_day_needs_no_mouse(coached_founder: Founder) -> None:
    tab = await coached_founder.tab(viewport={"width": 1200, "height": 800})
    await tab.is_live()
    page = tab.page
    keys = Keyboard(page)
    await keys.rests_on("Message")

    await keys.type("Two lines about forgotten umbrellas")
    await keys.press("Shift+Enter")
    await keys.type("/fault:slow")
    await keys.press("Enter")
    await tab.reply_began()
    await keys.rests_on("Message")
    await keys.go_to("Stop")
    await keys.press("Enter")
    await tab.reply_ended("cancelled")
    await expect(tab.stop_button).to_be_hidden()
    await keys.rests_on("Message")

    await keys.go_to("Retry", "Shift+Tab")
    await keys.press("Enter")
    await tab.reply_began()
    await keys.has_focus()
    await keys.go_to("Stop")
    await keys.press("Enter")
    await tab.reply_ended("cancelled")
    await keys.rests_on("Message")

    await keys.type("And now without haste.")
    await keys.press("Enter")
    await expect(tab.page.get_by_test_id("suggestions")).to_be_visible()
    first = tab.page.get_by_test_id("suggestions").get_by_role("button").first
    await keys.go_to(re.escape(await first.inner_text()), "Shift+Tab")
    await keys.press("Enter")
    await expect(tab.replies).to_have_count(3)
    await keys.has_focus()
    await tab.reply_ended()
    await keys.has_focus()


async def test_a_session_is_renamed_and_pinned_by_keyboard(
    coached_founder: Founder,
) -> None:
    tab = await coached_founder.tab(viewport={"width": 1200, "height": 800})
    await tab.is_live()
    page = tab.page
    keys = Keyboard(page)
    await keys.type("Kettles that whistle at night")
    await keys.press("Enter")
    await tab.reply_ended()

    await keys.go_to("Actions for Kettles.*", "Shift+Tab")
    await keys.press("Enter")
    await keys.rests_on("Pin.*")
    await keys.go_to("Rename", "ArrowDown")
    await keys.press("Enter")
    await keys.rests_on("Title")
    await keys.press("Control+a")
    await keys.type("Whistles")
    await keys.press("Enter")
    await keys.rests_on("Whistles")
    await expect(page.get_by_role("heading", name="Whistles")).to_be_visible()

    await keys.go_to("Actions for Whistles")
    await keys.press("Enter")
    await keys.rests_on("Pin.*")
    await keys.press("Enter")
    await expect(page.get_by_role("heading", name="Pinned")).to_be_visible()
    await keys.rests_on(".*Whistles")
    await keys.go_to("Colours.*")
    await keys.press("Enter", "Enter")
    assert await page.evaluate("document.documentElement.dataset.theme") == "dark"


async def test_a_session_is_found_archived_and_deleted_by_keyboard(
    coached_founder: Founder,
) -> None:
    tab = await coached_founder.tab(viewport={"width": 1200, "height": 800})
    await tab.is_live()
    page = tab.page
    keys = Keyboard(page)
    await keys.type("Whistles")
    await keys.press("Enter")
    await tab.reply_ended()

    await keys.go_to("Search sessions", "Shift+Tab")
    await keys.type("whistle")
    await expect(page.get_by_role("link", name="Whistles").first).to_be_visible()
    await keys.press("Escape")
    await keys.rests_on("Search sessions")

    await keys.go_to("Actions for Whistles")
    await keys.press("Enter")
    await keys.rests_on("Pin.*|Unpin.*")
    await keys.go_to("Archive", "ArrowDown")
    await keys.press("Enter")
    await expect(page.get_by_role("link", name="Whistles")).to_have_count(0)
    await keys.rests_on("Archived sessions")
    await keys.press("Enter")
    await expect(page.get_by_role("link", name="Whistles")).to_be_visible()
    await keys.go_to("Actions for Whistles", "Shift+Tab")
    await keys.press("Enter")
    await keys.rests_on("Pin.*|Unpin.*")
    await keys.go_to("Delete…", "ArrowUp")
    await keys.press("Enter")
    await keys.rests_on("Cancel")
    await keys.press("Escape")
    await keys.rests_on("Actions for Whistles")
    await keys.press("Enter")
    await keys.rests_on("Pin.*|Unpin.*")
    await keys.go_to("Delete…", "ArrowUp")
    await keys.press("Enter")
    await keys.rests_on("Cancel")
    await keys.go_to("Delete")
    await keys.press("Enter")
    await expect(page.get_by_role("link", name="Whistles")).to_have_count(0)
    await expect(tab.articles).to_have_count(0)
    await keys.has_focus()


async def test_the_skip_link_leads_to_where_one_writes(
    coached_founder: Founder,
) -> None:
    tab = await coached_founder.tab(viewport={"width": 1200, "height": 800})
    await tab.is_live()
    keys = Keyboard(tab.page)
    await keys.rests_on("Message")
    await keys.go_to("Skip to the message box", "Shift+Tab")
    await keys.press("Enter")
    await keys.rests_on("Message")
