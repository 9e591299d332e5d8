"""A session of 2,000 messages, and one of text that fits no screen."""

import asyncio
from collections.abc import Sequence

import pytest
from playwright.async_api import Route, expect

from libs.testing.stack import Stack
from tests.e2e.chat_page import ChatPage
from tests.e2e.conftest import Founder
from tests.e2e.stored_talk import store_talk

_MESSAGES = 2_000
_ELEMENTS = 1_500
_MOST_SCREENS = 300
_NEXT_FRAME = "() => new Promise(requestAnimationFrame)"
_WIDE = (
    "Ein" + "wort" * 200,
    "https://example.org/" + "path/" * 150,
    "```\n" + "wide code " * 80 + "\n```",
    "| " + " | ".join(["a-column-of-its-own"] * 14) + " |\n" + "|---" * 14 + "|\n",
    "- " * 12 + "deep",
    "> " * 12 + "quoted",
    "`" + "inline" * 120 + "`",
    "# " + "Heading" * 60,
    "שלום " * 60 + "\n\n- " + "עולם" * 90,
    "مرحبا" * 150,
    "🧑‍🚀" * 300,
    "[" + "link" * 90 + "](https://example.org)",
    "a\u200bb" * 400,
    "line\n" * 80,
)
_WIDER_THAN_THE_PAGE = """
() => [document.documentElement, ...document.querySelectorAll("main, [role=log]")]
  .filter((element) => element.scrollWidth > element.clientWidth)
  .map((element) => `${element.tagName}: ${element.scrollWidth}`)
"""
_ANCHOR = """
() => {
  const scroller = document.querySelector("[role=log]");
  const edge = scroller.getBoundingClientRect().top;
  const rows = [...scroller.querySelectorAll("[data-message-id]")];
  const row = rows.find((each) => each.getBoundingClientRect().top >= edge);
  return [row.dataset.messageId, row.getBoundingClientRect().top];
}
"""
_TOP_OF = """
(id) => document.querySelector(`[data-message-id="${id}"]`)?.getBoundingClientRect().top
"""
_IS_TALLER = """
(height) => document.querySelector("[role=log]").scrollHeight > height
"""
_SETTLED = """
async () => {
  for (let left = 6; left > 0; left -= 1) await new Promise(requestAnimationFrame);
}
"""


async def _opened(founder: Founder, stack: Stack, texts: Sequence[str]) -> ChatPage:
    """Open a session that holds the texts."""
    tab = await founder.tab(viewport={"width": 1280, "height": 800})
    await tab.page.goto(await store_talk(tab, stack, texts))
    return tab


class _HeldHistory:
    """Keeps earlier messages back until the test has looked at the page."""

    def __init__(self) -> None:
        self.is_asked = asyncio.Event()
        self._may_go = asyncio.Event()

    async def hold(self, route: Route) -> None:
        """Wait for the test, then pass the request on."""
        self.is_asked.set()
        await self._may_go.wait()
        await route.continue_()

    def let_go(self) -> None:
        """Pass on what is held; what comes next is held again."""
        self._may_go.set()
        self._may_go = asyncio.Event()
        self.is_asked.clear()


@pytest.mark.timeout(180)
async def test_2000_messages_open_at_once_and_load_upwards_without_a_jump(
    coached_founder: Founder, coached_stack: Stack
) -> None:
    coached_founder.is_outage_expected = True
    texts = [
        f"Message {number}\n\n" + "Some words. " * (number % 23)
        for number in range(1, _MESSAGES + 1)
    ]
    tab = await _opened(coached_founder, coached_stack, texts)
    page = tab.page
    await expect(page.get_by_text(f"Message {_MESSAGES}")).to_be_visible()
    assert await page.locator("*").count() <= _ELEMENTS

    timeline = page.get_by_test_id("timeline")
    await tab.send("/fault:slow And meanwhile?")
    await tab.reply_began()
    await timeline.hover()
    history = _HeldHistory()
    await page.route("**/messages?before_seq=*", history.hold)
    for speed in (240, 800, 2_400):
        while not history.is_asked.is_set():
            await page.mouse.wheel(0, -speed)
            await page.evaluate(_NEXT_FRAME)
        await page.evaluate(_SETTLED)
        message_id, top = await page.evaluate(_ANCHOR)
        height = await timeline.evaluate("(element) => element.scrollHeight")
        history.let_go()
        await page.wait_for_function(_IS_TALLER, arg=height + 1_000)
        await page.evaluate(_SETTLED)
        # What came stands above; the reply that grows below moves nothing either.
        now = await page.evaluate(_TOP_OF, message_id)
        assert abs(now - top) <= 1, f"jumped by {now - top} px at {speed}"
        assert await page.locator("*").count() <= _ELEMENTS
    history.let_go()
    await page.get_by_role("button", name="Jump to latest").click()
    await expect(tab.replies.last).to_have_attribute("data-status", "streaming")
    await tab.stop_button.click()


@pytest.mark.timeout(120)
async def test_no_text_makes_a_phone_scroll_sideways(
    coached_founder: Founder, coached_stack: Stack
) -> None:
    coached_founder.is_outage_expected = True
    tab = await _opened(coached_founder, coached_stack, [*_WIDE, *_WIDE, "The end."])
    page = tab.page
    await page.set_viewport_size({"width": 360, "height": 640})
    await expect(page.get_by_text("The end.")).to_be_visible()
    timeline = page.get_by_test_id("timeline")
    for _ in range(_MOST_SCREENS):
        assert await page.evaluate(_WIDER_THAN_THE_PAGE) == []
        if await timeline.evaluate("(element) => element.scrollTop") <= 0:
            break
        await timeline.evaluate("(element) => element.scrollBy(0, -400)")
        await page.evaluate(_NEXT_FRAME)
    else:
        pytest.fail("the beginning was not reached")


async def test_who_wants_no_motion_sees_none(coached_founder: Founder) -> None:
    tab = await coached_founder.tab(reduced_motion="reduce")
    await tab.send("/fault:slow Something to look at")
    await tab.reply_began()
    moving = await tab.page.evaluate(
        """() => [...document.querySelectorAll("*")].flatMap((element) =>
          ["", "::before", "::after"].map((part) => getComputedStyle(element, part))
            .filter((style) => style.animationName !== "none"
              || style.transitionDuration.split(", ").some((each) => each !== "0s")
              || style.scrollBehavior === "smooth")
            .map(() => element.outerHTML.slice(0, 120)))"""
    )
    assert moving == []
    await tab.stop_button.click()
