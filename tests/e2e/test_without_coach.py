"""The page where no coach is there: it opens, takes a message, and says what is."""

import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from libs.testing.stack import Stack
from tests.e2e.chat_page import ChatPage
from tests.e2e.conftest import Founder, require_page

_IS_PAINTED = """
() => performance.getEntriesByName("first-contentful-paint").length === 1
"""
_PROMISED_MS = 35_000
"""A message nobody can take is answered with something typed within 30 s."""


@pytest.fixture
async def lonely_stack(tmp_path: Path, chromium: str | None) -> AsyncIterator[Stack]:
    """Run a gateway whose orchestrator was never started."""
    require_page(chromium)
    stack = Stack(tmp_path, tokens_per_second=200)
    try:
        await stack.gateway.start()
        yield stack
    finally:
        stack.stop()


@pytest.fixture
async def lonely_founder(
    lonely_stack: Stack, browser: Browser
) -> AsyncIterator[Founder]:
    """Arrive with an empty browser profile where no coach is."""
    person = Founder(lonely_stack, browser)
    yield person
    await person.leave()


async def _opened(founder: Founder) -> ChatPage:
    """Open the page: it is painted, and can be written into."""
    tab = await founder.tab(viewport={"width": 1200, "height": 800})
    await tab.page.wait_for_function(_IS_PAINTED)
    await expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
    await tab.composer.fill("Nobody repairs the lift.")
    await expect(tab.send_button).to_be_enabled()
    return tab


async def _is_told(tab: ChatPage, codes: str) -> None:
    """Send what is written; what comes of it is typed and can be tried again."""
    await tab.send_button.click()
    await expect(tab.articles).to_have_count(1)
    await expect(tab.page.get_by_test_id("activity")).to_be_visible()
    await expect(tab.page.get_by_test_id("error-card")).to_have_attribute(
        "data-code", re.compile(codes), timeout=_PROMISED_MS
    )
    await expect(tab.retry_button).to_be_enabled()
    await expect(tab.composer).to_be_editable()


async def _is_answered(tab: ChatPage) -> None:
    """Try again: the same message gets its reply."""
    await tab.retry_button.click()
    assert await tab.reply_ended()
    await expect(tab.articles).to_have_count(2)
    await expect(tab.page.get_by_test_id("error-card")).to_have_count(0)


async def test_the_page_waits_for_no_orchestrator_that_is_not_there(
    lonely_stack: Stack, lonely_founder: Founder
) -> None:
    tab = await _opened(lonely_founder)
    await _is_told(tab, "^orchestrator_unavailable$")
    await lonely_stack.orchestrator.start()
    await _is_answered(tab)


async def test_the_page_waits_for_no_orchestrator_that_stands_still(
    lonely_stack: Stack, lonely_founder: Founder
) -> None:
    await lonely_stack.orchestrator.start()
    os.kill(lonely_stack.orchestrator.pid, signal.SIGSTOP)
    try:
        tab = await _opened(lonely_founder)
        await _is_told(tab, "^(orchestrator_unavailable|run_lost)$")
    finally:
        os.kill(lonely_stack.orchestrator.pid, signal.SIGCONT)
    await lonely_stack.orchestrator.until_ready()
    await _is_answered(tab)
