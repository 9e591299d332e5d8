"""A founder goes on with their sessions on another device, by a link."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, Route, expect

from libs.testing.stack import Stack
from tests.e2e.chat_page import ChatPage, whole_reply
from tests.e2e.conftest import Founder

_WIDE = {"width": 1200, "height": 800}


@pytest.fixture
async def other_device(stack: Stack, browser: Browser) -> AsyncIterator[Founder]:
    """Another browser, with a profile of its own."""
    device = Founder(stack, browser)
    yield device
    await device.leave()


async def _make_link(page: Page) -> str:
    await page.get_by_role("button", name="Open on another device").click()
    dialog = page.get_by_role("dialog", name="Open on another device")
    await expect(dialog.get_by_role("img", name="QR code of the link")).to_be_visible()
    await expect(dialog.get_by_test_id("link-expiry")).to_contain_text(":")
    url = await dialog.get_by_role("textbox", name="Link").input_value()
    await dialog.get_by_role("button", name="Close").click()
    await expect(dialog).to_have_count(0)
    return url


async def _open_here(tab: ChatPage) -> None:
    await tab.page.get_by_role("button", name="Open them here").click()
    await expect(tab.composer).to_be_visible()


async def test_two_devices_agree_while_a_reply_streams(
    founder: Founder, other_device: Founder
) -> None:
    one = await founder.tab(viewport=_WIDE)
    await one.say("first")
    await one.reply_began()
    await one.reply_ended()
    url = await _make_link(one.page)

    other = await other_device.tab(url, viewport=_WIDE)
    assert "#" not in other.page.url
    await expect(other.page.get_by_text("stays behind")).to_have_count(0)
    await _open_here(other)
    assert await other.page.evaluate("history.state") is None
    await other.page.goto(one.page.url)
    assert await other.reply_ended() == whole_reply("first")

    await other.say("second")
    await expect(one.replies).to_have_count(2)
    await one.reply_began()
    assert await one.reply_ended() == whole_reply("second")
    assert await other.reply_ended() == whole_reply("second")
    assert await one.texts() == await other.texts()


async def test_a_used_link_says_what_to_do(
    founder: Founder, other_device: Founder
) -> None:
    one = await founder.tab(viewport=_WIDE)
    await one.is_live()
    url = await _make_link(one.page)
    other = await other_device.tab(url, viewport=_WIDE)
    await _open_here(other)
    other_device.is_outage_expected = True  # the browser notes the refusal
    again = await other_device.tab(url)
    await again.page.get_by_role("button", name="Open them here").click()
    alert = again.page.get_by_role("alert")
    await expect(alert).to_contain_text("Make a new one on the other device")
    await again.page.get_by_role("button", name="Start from the beginning").click()
    await again.is_live()


async def test_a_lost_answer_does_not_use_the_link_up(
    founder: Founder, other_device: Founder
) -> None:
    one = await founder.tab(viewport=_WIDE)
    await one.is_live()
    url = await _make_link(one.page)
    other_device.is_outage_expected = True
    other = await other_device.tab("/", viewport=_WIDE)
    await other.is_live()
    page = other.page
    await page.goto(url)
    await page.route(
        "**/v1/founder/links/redeem",
        _answer_is_lost,
        times=1,
    )
    await page.get_by_role("button", name="Open them here").click()
    await expect(page.get_by_role("alert")).to_contain_text("not used up")
    await page.reload()
    await _open_here(other)


async def _answer_is_lost(route: Route) -> None:
    await route.fetch()
    await route.abort()


async def test_what_this_device_has_is_named_before_it_stays_behind(
    founder: Founder, other_device: Founder
) -> None:
    one = await founder.tab(viewport=_WIDE)
    await one.say("theirs")
    await one.reply_began()
    url = await _make_link(one.page)
    other = await other_device.tab(viewport=_WIDE)
    await other.say("own")
    await other.reply_began()
    await other.reply_ended()
    standing_by = await other_device.tab(other.page.url)
    await other.page.goto(url)
    await expect(
        other.page.get_by_text("A session begun on this device")
    ).to_be_visible()
    await other.page.get_by_role("button", name="Not now").click()
    await expect(
        other.page.get_by_role("navigation").get_by_role("link")
    ).to_have_count(1)

    await other.page.goto(await _make_link(one.page))
    await _open_here(other)
    links = other.page.get_by_role("navigation").get_by_role("link")
    await expect(links).to_have_count(1)
    await links.click()
    await expect(other.articles.first).to_contain_text("Go on [seed:theirs]")
    await expect(standing_by.page).to_have_url(founder.stack.url + "/")
