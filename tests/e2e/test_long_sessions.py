"""A session of 300 messages: found in, opened in its midst, printed whole."""

import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from libs.testing.model_server import ModelServer, Pace
from libs.testing.stack import until
from tests.e2e.chat_page import ChatPage
from tests.e2e.conftest import Founder

_TURNS = 150
_TELL = """
async ([turns, seeds]) => {
  const ask = async (method, path, body) => {
    const answer = await fetch(path, {
      method,
      headers: body && {"Content-Type": "application/json"},
      body: body && JSON.stringify({request_id: crypto.randomUUID(), ...body}),
    });
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
    return answer.json();
  };
  const {session_id} = await ask("POST", "/v1/sessions", {opening: false});
  for (let turn = 1; turn <= turns; turn += 1) {
    const text = seeds[turn] ?? `Turn number ${turn}.`;
    const path = `/v1/sessions/${session_id}/messages`;
    const {run_id} = await ask("POST", path, {text});
    while ((await ask("GET", `/v1/runs/${run_id}`)).state !== "finished") {
      await new Promise((next) => setTimeout(next, 5));
    }
  }
  return session_id;
}
"""
_PRINT_IS_NOTED = "globalThis.print = () => { globalThis.__isPrinting = true; };"
_WIDE = {"width": 1200, "height": 800}


@pytest.fixture
async def model(model_port: int) -> AsyncIterator[ModelServer]:
    """Serve a model that is done at once."""
    pace = Pace(0, tokens_per_second=50_000, tokens_per_reply=6)
    async with ModelServer(pace, port=model_port) as server:
        yield server


async def _long_session(founder: Founder) -> tuple[ChatPage, str]:
    tab = await founder.tab(viewport=_WIDE)
    await tab.page.add_init_script(_PRINT_IS_NOTED)
    await tab.is_live()
    seeds = {20: "The zeppelin café would open at dawn."}
    session_id = await tab.page.evaluate(_TELL, [_TURNS, seeds])
    return tab, f"/sessions/{session_id}"


@pytest.mark.timeout(180)
async def test_what_was_said_long_ago_is_found_opened_and_printed(
    founder: Founder,
) -> None:
    tab, path = await _long_session(founder)
    page = tab.page
    await page.goto("/")
    search = page.get_by_role("searchbox", name="Search sessions")
    await search.fill("zepp CAFE")
    hit = page.locator("[data-message-hit]")
    await expect(hit).to_have_count(1)
    assert await hit.locator("mark").all_inner_texts() == ["zeppelin", "café"]
    await hit.click()
    opened = page.locator("[data-opened]")
    await expect(opened).to_contain_text("The zeppelin café would open at dawn.")
    await expect(opened).to_be_in_viewport()
    await expect(opened).to_be_focused()
    await expect(page).to_have_url(re.compile(rf"{path}\?at=\d+$"))

    timeline = page.get_by_test_id("timeline")
    await expect(timeline).not_to_contain_text(f"Turn number {_TURNS}.")
    await timeline.focus()

    async def went_on() -> bool:
        await page.keyboard.press("End")
        turns = re.findall(r"Turn number (\d+)\.", await timeline.inner_text())
        return 60 < max(int(turn) for turn in turns) < _TURNS

    await until(went_on, timeout_seconds=30, what="later messages load")
    await page.get_by_role("button", name="Back to latest").click()
    await expect(timeline).to_contain_text(f"Turn number {_TURNS}.")
    await expect(page).to_have_url(re.compile(rf"{path}$"))

    await page.keyboard.press("Control+p")
    printed = page.get_by_test_id("print-view")
    await expect(printed).to_be_attached()
    assert await page.evaluate("globalThis.__isPrinting")
    await page.emulate_media(media="print")
    await expect(printed).to_be_visible()
    await expect(printed.locator("section")).to_have_count(2 * _TURNS)
    await expect(page.locator("#root")).to_be_hidden()
    assert await printed.get_by_role("button").count() == 0
    for turn in (1, 77, _TURNS):
        await expect(printed).to_contain_text(f"Turn number {turn}.")
    assert len(await page.pdf()) > 30_000
    await page.evaluate("dispatchEvent(new Event('afterprint'))")
    await expect(printed).to_have_count(0)


async def test_hostile_words_are_looked_for_like_any_other(founder: Founder) -> None:
    tab = await founder.tab(viewport=_WIDE)
    await tab.say("findme")
    await tab.reply_ended()
    search = tab.page.get_by_role("searchbox", name="Search sessions")
    for query in ('"', "AND OR NOT *", 'a" OR 1=1 --', "😀", "(((", "NEAR/3"):
        await search.fill(query)
        await expect(tab.page.get_by_role("status").first).to_contain_text(
            re.compile("Nothing was found|result")
        )
    await search.fill("seed findme")
    await expect(tab.page.locator("[data-message-hit]")).to_have_count(1)
    await expect(tab.page.get_by_role("button", name="Actions for")).to_have_count(1)
