"""Opening a session costs what is shown of it, however long it is."""

import json
from statistics import median

import pytest
from playwright.async_api import Request, WebSocket

from libs.testing.stack import Stack
from tests.e2e.conftest import Founder
from tests.e2e.stored_talk import store_talk
from tests.figures import figure

_LONG = 2_000
_SHORT = 50
"""As much as a session opens with."""
_OPENINGS = 7
_LAST_WORDS = "These are the last words."
# Resolves to when the last words are painted, in milliseconds after the address.
_NOTE_OPENING = f"""
globalThis.__opened = new Promise((resolve) => {{
  const look = () => {{
    const texts = document.querySelectorAll("[data-testid=message-text]");
    const isThere = [...texts].some((text) => text.textContent === "{_LAST_WORDS}");
    const painted = () => setTimeout(() => resolve(performance.now()));
    requestAnimationFrame(isThere ? painted : look);
  }};
  requestAnimationFrame(look);
}});
"""


class _Traffic:
    """What the page asks for and is brought."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.messages_brought = 0

    def note_request(self, request: Request) -> None:
        """Note a request for messages."""
        if "/messages" in request.url:
            self.asked.append(request.url)

    def note_socket(self, socket: WebSocket) -> None:
        """Note what comes by a socket."""
        socket.on("framereceived", self._note_frame)

    def _note_frame(self, frame: str | bytes) -> None:
        told = json.loads(frame)
        if told["type"] == "snapshot" and told["kind"] == "session":
            self.messages_brought += len(told["data"]["messages"])


def _texts(count: int) -> list[str]:
    said = [
        f"Message {number}\n\n" + "Some words. " * (number % 23)
        for number in range(1, count)
    ]
    return [*said, _LAST_WORDS]


@pytest.mark.timeout(180)
async def test_a_session_of_2000_messages_opens_as_fast_as_one_of_50(
    coached_founder: Founder, coached_stack: Stack
) -> None:
    coached_founder.is_outage_expected = True
    tab = await coached_founder.tab(viewport={"width": 1280, "height": 800})
    paths = {
        count: await store_talk(tab, coached_stack, _texts(count))
        for count in (_SHORT, _LONG)
    }
    page, traffic = tab.page, _Traffic()
    await page.add_init_script(_NOTE_OPENING)
    page.on("websocket", traffic.note_socket)
    page.on("request", traffic.note_request)
    took: dict[int, list[float]] = {count: [] for count in paths}
    for _ in range(_OPENINGS):
        for count, path in paths.items():
            await page.goto(path)
            took[count].append(await page.evaluate("globalThis.__opened"))
    short, long = (median(took[count]) for count in (_SHORT, _LONG))
    figure(
        f"a session of {_LONG} messages is open after {long:.0f} ms "
        f"(median of {_OPENINGS}, fastest {min(took[_LONG]):.0f}; "
        f"of {_SHORT} messages: {short:.0f} ms; promised on a quiet machine: 1 s)"
    )
    assert traffic.asked == []
    assert traffic.messages_brought == 2 * _OPENINGS * _SHORT
    assert long <= 2 * short
