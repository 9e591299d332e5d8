"""A founder goes back to an earlier message and says something else."""

from playwright.async_api import expect

from tests.e2e.chat_page import ChatPage, whole_reply
from tests.e2e.conftest import Founder


async def _say_twice(founder: Founder) -> ChatPage:
    tab = await founder.tab(viewport={"width": 1200, "height": 800})
    for seed in ("one", "two"):
        await tab.say(seed)
        await tab.reply_began()
        await tab.reply_ended()
    return tab


async def test_an_edited_message_opens_a_session_that_begins_with_the_copy(
    founder: Founder,
) -> None:
    tab = await _say_twice(founder)
    page, source = tab.page, tab.page.url
    pencil = page.get_by_role("button", name="Edit and ask again")
    await pencil.nth(1).click()
    editor = page.get_by_role("textbox", name="Your message, changed")
    await expect(editor).to_be_focused()
    await editor.fill("Otherwise [seed:three]")
    await page.reload()
    await pencil.nth(1).click()
    await expect(editor).to_have_value("Otherwise [seed:three]")
    await editor.press("Enter")
    await expect(page).not_to_have_url(source)
    await expect(tab.articles).to_have_count(4)
    assert await tab.reply_ended() == whole_reply("three")
    assert await tab.texts() == [
        "Go on [seed:one]",
        whole_reply("one"),
        "Otherwise [seed:three]",
        whole_reply("three"),
    ]
    back = page.get_by_test_id("branched-from").get_by_role("link")
    await back.click()
    await expect(page).to_have_url(source)
    await expect(page.get_by_text("Go on [seed:two]")).to_be_visible()
    await expect(page.get_by_test_id("branched-from")).to_have_count(0)


async def test_a_branch_outlives_its_source_and_then_names_none(
    founder: Founder,
) -> None:
    tab = await _say_twice(founder)
    page, source = tab.page, tab.page.url
    await page.get_by_role("button", name="Edit and ask again").first.click()
    editor = page.get_by_role("textbox", name="Your message, changed")
    await editor.press("Escape")
    await expect(editor).to_have_count(0)
    await page.keyboard.press("Enter")
    await editor.fill("Otherwise [seed:four]")
    await page.get_by_role("button", name="Send in a new session").click()
    await expect(page.get_by_test_id("branched-from")).to_be_visible()
    assert await tab.reply_ended() == whole_reply("four")
    gone = await page.request.delete(
        source.replace("/sessions/", "/v1/sessions/"),
        headers={"Content-Type": "application/json", "Origin": founder.stack.url},
    )
    assert gone.ok
    await expect(page.get_by_test_id("branched-from")).to_have_count(0)
    await page.reload()
    assert await tab.reply_ended() == whole_reply("four")
    await expect(page.get_by_test_id("branched-from")).to_have_count(0)
