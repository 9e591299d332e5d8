"""A founder in a real browser: words stream, stop, come back, survive."""

import pytest
from playwright.async_api import Page, expect

from libs.testing.model_script import Fault
from libs.testing.model_server import ModelServer
from tests.e2e.chat_page import whole_reply
from tests.e2e.conftest import Founder

_FOCUSED_NAME = """
(() => {
  const focused = document.activeElement;
  return focused?.getAttribute("aria-label") ?? focused?.textContent?.trim() ?? "";
})()
"""


async def test_the_first_words_are_visible_before_the_reply_ends(
    founder: Founder,
) -> None:
    tab = await founder.tab()
    await tab.say("first")
    reply = await tab.reply_began()
    await expect(tab.stop_button).to_be_visible()
    await expect(reply).to_have_attribute("aria-busy", "true")
    assert await tab.reply_ended() == whole_reply("first")
    await expect(tab.stop_button).to_be_hidden()
    await tab.say("second")
    await expect(tab.replies).to_have_count(2)
    assert await tab.reply_ended() == whole_reply("second")
    assert await tab.texts() == [
        "Go on [seed:first]",
        whole_reply("first"),
        "Go on [seed:second]",
        whole_reply("second"),
    ]


async def test_stop_keeps_what_was_written_and_retry_answers(
    founder: Founder, model: ModelServer
) -> None:
    tab = await founder.tab()
    await tab.say("stop")
    await tab.reply_began()
    await tab.stop_button.click()
    stopped = await tab.reply_ended("cancelled")
    assert stopped
    assert whole_reply("stop").startswith(stopped)
    await model.requests[0].ended.wait()
    assert model.requests[0].outcome == "client_closed"
    await tab.retry_button.click()
    assert await tab.reply_ended() == whole_reply("stop")


async def test_a_failed_reply_says_what_to_do_and_retry_helps(
    founder: Founder, model: ModelServer
) -> None:
    model.faults.append(Fault.CUT_MIDWAY)
    tab = await founder.tab()
    await tab.say("cut")
    card = tab.page.get_by_test_id("error-card")
    await expect(card).to_have_attribute("data-code", "llm_unavailable")
    assert whole_reply("cut").startswith(await tab.reply_ended("failed"))
    await tab.retry_button.click()
    assert await tab.reply_ended() == whole_reply("cut")
    await expect(card).to_be_hidden()


async def test_a_reload_in_mid_reply_loses_no_word(founder: Founder) -> None:
    tab = await founder.tab()
    await tab.say("reload")
    await tab.reply_began()
    await tab.page.reload()
    await tab.reply_began()
    assert await tab.reply_ended() == whole_reply("reload")
    for _ in range(2):  # the second time the browser is told "not modified"
        await tab.page.reload()
        assert await tab.reply_ended() == whole_reply("reload")
    assert await tab.texts() == ["Go on [seed:reload]", whole_reply("reload")]


async def test_two_tabs_show_the_same(founder: Founder) -> None:
    one = await founder.tab()
    await one.say("tabs")
    await one.reply_began()
    other = await founder.tab(one.page.url)
    await other.reply_began()
    assert await one.reply_ended() == await other.reply_ended() == whole_reply("tabs")
    await other.say("answer")
    await expect(one.replies).to_have_count(2)
    await one.reply_ended()
    await other.reply_ended()
    assert await one.texts() == await other.texts()


async def test_offline_is_said_and_the_rest_of_the_reply_comes_back(
    founder: Founder,
) -> None:
    founder.is_outage_expected = True
    tab = await founder.tab()
    await tab.say("offline")
    await tab.reply_began()
    await tab.page.context.set_offline(True)
    await expect(tab.connection).not_to_have_attribute("data-state", "live")
    await tab.page.context.set_offline(False)
    await tab.is_live()
    assert await tab.reply_ended() == whole_reply("offline")


async def test_what_is_written_offline_is_sent_when_the_network_returns(
    founder: Founder,
) -> None:
    founder.is_outage_expected = True
    tab = await founder.tab()
    await tab.say("before")
    await tab.reply_ended()
    await tab.page.context.set_offline(True)
    await tab.say("after")
    await expect(tab.articles).to_have_count(3)
    await tab.page.context.set_offline(False)
    await expect(tab.replies).to_have_count(2)
    assert await tab.reply_ended() == whole_reply("after")


@pytest.mark.timeout(180)
async def test_a_killed_gateway_is_one_calm_line_and_then_the_whole_reply(
    founder: Founder,
) -> None:
    founder.is_outage_expected = True
    tab = await founder.tab()
    await tab.say("killed")
    await tab.reply_began()
    founder.stack.gateway.kill()
    line = tab.connection.get_by_role("paragraph")
    await expect(line).to_be_visible()
    await expect(line).to_have_count(1)
    assert "error" not in (await line.inner_text()).lower()
    await founder.stack.gateway.start()
    await tab.is_live()
    assert await tab.reply_ended() == whole_reply("killed")
    assert await tab.texts() == ["Go on [seed:killed]", whole_reply("killed")]


async def test_everything_can_be_done_by_keyboard(founder: Founder) -> None:
    tab = await founder.tab()
    await tab.is_live()
    keyboard = tab.page.keyboard
    await expect(tab.composer).to_be_focused()
    await keyboard.type("Two lines")
    await keyboard.press("Shift+Enter")
    await keyboard.type("[seed:keys]")
    await keyboard.press("Enter")
    await tab.reply_began()
    await expect(tab.composer).to_be_focused()
    await _tab_to(tab.page, "Stop")
    await keyboard.press("Enter")
    await tab.reply_ended("cancelled")
    await _tab_to(tab.page, "Retry")
    await keyboard.press("Enter")
    assert await tab.reply_ended() == whole_reply("keys")
    await _tab_to(tab.page, "New session")
    await keyboard.press("Enter")
    await expect(tab.articles).to_have_count(0)


async def _tab_to(page: Page, name: str) -> None:
    for _ in range(60):
        await page.keyboard.press("Tab")
        focused = await page.evaluate(_FOCUSED_NAME)
        if focused == name:
            return
    raise AssertionError(f"{name!r} cannot be reached by Tab")


@pytest.mark.parametrize("path", ["home", "chat"])
async def test_nothing_scrolls_sideways_on_a_small_phone(
    founder: Founder, path: str
) -> None:
    tab = await founder.tab(viewport={"width": 360, "height": 640}, has_touch=True)
    if path == "chat":
        await tab.say("a-very-long-seed-" * 8)
        await tab.reply_began()
        await tab.reply_ended()
    await tab.is_live()
    width, visible = await tab.page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert (width, visible) == (360, 360)
    await expect(tab.composer).to_be_in_viewport()


async def test_a_session_can_be_found_renamed_and_deleted(founder: Founder) -> None:
    tab = await founder.tab(viewport={"width": 1200, "height": 800})
    await tab.say("list")
    await tab.reply_ended()
    page = tab.page
    await page.get_by_role("button", name="Actions for").first.click()
    await page.get_by_role("menuitem", name="Rename").click()
    title = page.get_by_role("textbox", name="Title")
    await title.fill("Kitchen rota")
    await title.press("Enter")
    await expect(page.get_by_role("heading", name="Kitchen rota")).to_be_visible()
    search = page.get_by_role("searchbox", name="Search sessions")
    await search.fill("no such title")
    await expect(
        page.get_by_role("link", name="Kitchen rota", exact=True)
    ).to_have_count(0)
    await search.fill("kitchen")
    await expect(
        page.get_by_role("link", name="Kitchen rota", exact=True)
    ).to_be_visible()
    await page.get_by_role("button", name="Actions for Kitchen rota").click()
    await page.get_by_role("menuitem", name="Delete…").click()
    await page.get_by_role("button", name="Delete", exact=True).click()
    await expect(
        page.get_by_role("link", name="Kitchen rota", exact=True)
    ).to_have_count(0)


async def test_the_coach_can_speak_first(founder: Founder) -> None:
    tab = await founder.tab()
    await tab.page.get_by_role("button", name="Let the coach ask first").click()
    await tab.reply_began()
    assert await tab.reply_ended()
    await expect(tab.articles).to_have_count(1)


async def test_a_draft_survives_a_reload(founder: Founder) -> None:
    tab = await founder.tab()
    await tab.say("draft")
    await tab.reply_ended()
    await tab.composer.fill("Not yet sent")
    await tab.page.reload()
    await expect(tab.composer).to_have_value("Not yet sent")
