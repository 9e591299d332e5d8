"""The page speaks the founder's language; the coach's words stay the coach's."""

import pytest
from playwright.async_api import expect

from libs.testing.model_script import Fault
from libs.testing.model_server import ModelServer
from tests.e2e.chat_page import whole_reply
from tests.e2e.conftest import Founder

_LOADED = "performance.getEntriesByType('resource').map((entry) => entry.name)"
_SIDEWAYS = """
[...document.querySelectorAll("button, a, p, h1, h2, h3, label, select")]
  .filter((element) => element.checkVisibility() && element.textContent.trim())
  .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
  .map((element) => element.textContent)
"""


async def test_a_german_browser_gets_a_german_page_and_its_choice_is_remembered(
    founder: Founder,
) -> None:
    tab = await founder.tab(locale="de-AT", viewport={"width": 1200, "height": 800})
    page = tab.page
    await expect(page.locator("html")).to_have_attribute("lang", "de")
    message = page.get_by_role("textbox", name="Nachricht", exact=True)
    await message.fill("Weiter [seed:deutsch]")
    await page.get_by_role("button", name="Senden", exact=True).click()
    assert await tab.reply_ended() == whole_reply("deutsch")

    await message.fill("Noch nicht gesendet")
    await page.get_by_role("combobox", name="Sprache").select_option("English")
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await expect(tab.composer).to_have_value("Noch nicht gesendet")
    await page.reload()
    await expect(tab.composer).to_have_value("Noch nicht gesendet")
    assert await tab.reply_ended() == whole_reply("deutsch")


async def test_an_english_page_loads_no_other_language(founder: Founder) -> None:
    tab = await founder.tab(locale="en-GB")
    await tab.is_live()
    await expect(tab.page.locator("html")).to_have_attribute("lang", "en")
    loaded = await tab.page.evaluate(_LOADED)
    assert [name for name in loaded if "/assets/de-" in name] == []


async def test_a_failure_is_explained_in_the_language_of_the_page(
    founder: Founder, model: ModelServer
) -> None:
    model.faults.append(Fault.CUT_MIDWAY)
    tab = await founder.tab(locale="de-DE")
    await tab.page.get_by_role("textbox", name="Nachricht", exact=True).fill("Los")
    await tab.page.keyboard.press("Enter")
    card = tab.page.get_by_test_id("error-card")
    await expect(card).to_have_attribute("data-code", "llm_unavailable")
    await expect(card).to_contain_text("Das Modell ist nicht verfügbar")


@pytest.mark.parametrize("path", ["home", "chat", "panel"])
async def test_longer_words_fit_on_a_small_phone(founder: Founder, path: str) -> None:
    tab = await founder.tab(
        locale="de-DE", viewport={"width": 360, "height": 640}, has_touch=True
    )
    page = tab.page
    await tab.is_live()
    if path == "chat":
        await page.get_by_role("textbox", name="Nachricht", exact=True).fill("Los")
        await page.get_by_role("button", name="Senden", exact=True).click()
        await tab.reply_ended()
    if path == "panel":
        await page.get_by_role("button", name="Gespräche anzeigen").click()
        await expect(page.get_by_role("combobox", name="Sprache")).to_be_visible()
    assert await page.evaluate(_SIDEWAYS) == []
    assert await page.evaluate("document.documentElement.scrollWidth") == 360
