"""What a founder wrote survives outages, restarts, full browsers and two tabs."""

import re

import pytest
from playwright.async_api import Page, expect

from libs.testing.model_server import ModelServer, Pace
from tests.e2e.chat_page import whole_reply
from tests.e2e.conftest import Founder

_COUNT_NOTICES = """
globalThis.__notices = 0;
const notices = "[role=alert], [data-testid=connection] p, [class*=_toast_]";
new MutationObserver(() => {
  const shown = document.querySelectorAll(notices).length;
  globalThis.__notices = Math.max(globalThis.__notices, shown);
}).observe(document, {subtree: true, childList: true});
"""
_NO_SOCKETS = """
globalThis.WebSocket = class extends EventTarget {
  static CONNECTING = 0; static OPEN = 1; static CLOSED = 3;
  readyState = 0;
  constructor() {
    super();
    setTimeout(() => {
      this.readyState = 3;
      this.dispatchEvent(new CloseEvent("close", {code: 1006}));
    });
  }
  send() {}
  close() {}
};
"""
_NO_STORAGE = """
Storage.prototype.setItem = () => {
  throw new DOMException("full", "QuotaExceededError");
};
"""

_PARTS = re.compile(r"/assets/(search-results|link-dialog|print-view)-")
_ARE_HERE = """
() => ["search-results", "link-dialog", "print-view"].every((part) =>
  performance.getEntriesByType("resource").some(({ name }) => name.includes(part)))
"""


async def _sessions(page: Page) -> int:
    answer = await page.request.get("/v1/sessions")
    return len((await answer.json())["sessions"])


async def test_a_session_asked_for_offline_begins_once(founder: Founder) -> None:
    founder.is_outage_expected = True
    tab = await founder.tab(viewport={"width": 1200, "height": 800})
    await tab.say("earlier")
    await tab.reply_ended()
    page = tab.page
    await page.get_by_role("button", name="VentureBot").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("getting in")
    await page.context.set_offline(True)
    await tab.say("once")
    await page.get_by_role("navigation").get_by_role("link").first.click()
    await page.get_by_role("button", name="VentureBot").click()
    await expect(tab.composer).to_have_value("Go on [seed:once]")
    await expect(tab.send_button).to_be_disabled()
    await page.context.set_offline(False)
    assert await tab.reply_ended() == whole_reply("once")
    assert await _sessions(page) == 2
    await page.get_by_role("button", name="VentureBot").click()
    await expect(tab.composer).to_have_value("")


async def test_a_refused_message_keeps_its_identity_over_a_reload(
    founder: Founder, model: ModelServer
) -> None:
    tab = await founder.tab()
    await tab.say("first")
    await tab.reply_began()
    refused = tab.page.locator("article[data-status=failed]")
    for number in range(8):
        await tab.say(f"more-{number}")
    await expect(refused.first).to_be_visible()
    model.pace = Pace(0, tokens_per_second=5_000, tokens_per_reply=10)
    identity = await refused.first.get_attribute("data-request-id")
    await tab.page.reload()
    await expect(refused.first).to_have_attribute("data-request-id", identity or "")
    mine = tab.page.locator(f"article[data-request-id='{identity}']")
    await expect(tab.replies.first).to_be_visible()
    await expect(tab.page.get_by_test_id("queue-position")).to_have_count(
        0, timeout=30_000
    )
    await expect(tab.stop_button).to_be_hidden(timeout=30_000)
    await mine.get_by_role("button", name="Retry").click()
    await expect(mine).to_have_attribute("data-message-id", re.compile("."))
    await expect(mine).to_have_count(1)
    await expect(tab.stop_button).to_be_hidden(timeout=30_000)


@pytest.mark.timeout(180)
async def test_a_restarted_gateway_is_one_notice_at_most(founder: Founder) -> None:
    founder.is_outage_expected = True
    tab = await founder.tab()
    await tab.page.add_init_script(_COUNT_NOTICES)
    await tab.page.reload()
    await tab.say("restarted")
    await tab.reply_began()
    await tab.page.evaluate("globalThis.__notices = 0")
    founder.stack.gateway.kill()
    await founder.stack.gateway.start()
    await tab.is_live()
    assert await tab.reply_ended() == whole_reply("restarted")
    assert await tab.page.evaluate("globalThis.__notices") == 1


async def test_a_page_without_sockets_streams_all_the_same(founder: Founder) -> None:
    tab = await founder.tab()
    await tab.page.add_init_script(_NO_SOCKETS)
    await tab.page.reload()
    await tab.is_live()
    await tab.say("no-sockets")
    await tab.reply_began()
    await tab.page.get_by_role("button", name="Stop", exact=True).click()
    await tab.reply_ended("cancelled")
    await tab.retry_button.click()
    assert await tab.reply_ended() == whole_reply("no-sockets")
    await tab.page.reload()
    assert await tab.reply_ended() == whole_reply("no-sockets")


async def test_a_browser_that_keeps_nothing_loses_nothing_and_says_so(
    founder: Founder,
) -> None:
    tab = await founder.tab(viewport={"width": 1200, "height": 800})
    await tab.page.add_init_script(_NO_STORAGE)
    await tab.page.reload()
    await tab.say("no-storage")
    assert await tab.reply_ended() == whole_reply("no-storage")
    await tab.composer.fill("Half a thought")
    await expect(tab.page.get_by_test_id("not-kept")).to_be_visible()
    await tab.page.get_by_role("button", name="VentureBot").click()
    await tab.page.go_back()
    await expect(tab.composer).to_have_value("Half a thought")


async def test_two_tabs_that_write_in_one_session_lose_no_draft(
    founder: Founder,
) -> None:
    one = await founder.tab()
    await one.say("drafts")
    await one.reply_ended()
    other = await founder.tab(one.page.url)
    await other.reply_ended()
    await one.composer.fill("From one tab")
    await other.composer.fill("From the other")
    await one.composer.fill("From one tab, longer")
    newest = await founder.tab(one.page.url)
    await expect(newest.composer).to_have_value("From one tab, longer")
    await newest.send_button.click()
    await expect(newest.replies).to_have_count(2)
    again = await founder.tab(one.page.url)
    await expect(again.composer).to_have_value("From the other")


async def test_a_part_that_cannot_be_fetched_costs_nothing_but_itself(
    founder: Founder,
) -> None:
    founder.is_outage_expected = True
    tab = await founder.tab(viewport={"width": 1200, "height": 800})
    page = tab.page
    await page.route(_PARTS, lambda route: route.abort())
    await page.reload()
    await tab.say("parts")
    await tab.reply_ended()
    await tab.composer.fill("Half a thought")
    toast = page.locator("[class*=_toast_]")
    await page.get_by_role("button", name="Open on another device").click()
    await expect(toast).to_contain_text("No link could be made")
    await page.keyboard.press("Control+p")
    await expect(toast.filter(has_text="for printing")).to_be_visible()
    search = page.get_by_role("searchbox", name="Search sessions")
    await search.fill("parts")
    await expect(page.get_by_role("alert")).to_contain_text("could not be loaded")
    await expect(tab.composer).to_have_value("Half a thought")
    await page.unroute(_PARTS)
    await search.fill("")
    await search.fill("seed parts")
    await expect(page.locator("[data-message-hit]")).to_have_count(1)
    await page.get_by_role("button", name="Open on another device").click()
    await expect(page.get_by_test_id("link-expiry")).to_be_visible()


async def test_every_part_is_there_before_the_network_goes(founder: Founder) -> None:
    founder.is_outage_expected = True
    tab = await founder.tab(viewport={"width": 1200, "height": 800})
    page = tab.page
    await page.evaluate("globalThis.print = () => {}")
    await tab.say("kept")
    await tab.reply_ended()
    await page.wait_for_function(_ARE_HERE)
    await page.context.set_offline(True)
    await page.keyboard.press("Control+p")
    await expect(page.get_by_test_id("print-view")).to_contain_text("[seed:kept]")
    await page.get_by_role("button", name="Open on another device").click()
    dialog = page.get_by_role("dialog", name="Open on another device")
    await expect(dialog).to_contain_text("No link could be made")
    await dialog.get_by_role("button", name="Close").click()
    await expect(tab.composer).to_be_editable()
    await page.context.set_offline(False)
    await tab.is_live()
