"""What a talk can come to."""

import re
import uuid

from playwright.async_api import expect

from tests.e2e.chat_page import ChatPage
from tests.e2e.state_steps import STORY, answered, began_empty, said, streaming

__all__ = [
    "branched",
    "deleted_elsewhere",
    "editing",
    "empty",
    "export_menu",
    "failed",
    "not_found",
    "past",
    "printing",
    "queue",
    "refused",
    "right_to_left",
    "screen_again",
    "stopped",
    "superseded",
    "working",
]

_QUEUE_LIMIT = 5
_TURNS = 60
"""Two messages each: a stretch of its beginning does not reach what is its end."""
_OPENED_TURN = 8
_OTHERWISE = "My neighbours run a pizzeria, and nothing is ever left over."
_HEBREW = (
    "השכנים שלי מנהלים מאפייה. "
    "כל ערב הם זורקים ארבעים כיכרות לחם, והאפליקציה Crumbs לא עוזרת."
)
_ARABIC = "كل صباح يسأل الناس عن خبز نفد قبل الساعة 9."
_ASKED = "Which questions should I ask in the first interview?"
# Nothing is heard any more once a frame of that type has come, but that one lives.
_NOTHING_AFTER = """
(type) => {
  let isHeld = false;
  globalThis.WebSocket = class extends globalThis.WebSocket {
    addEventListener(name, listener, options) {
      super.addEventListener(name, (event) => {
        const frame = name === "message" ? JSON.parse(event.data).type : "";
        if (isHeld && name === "message" && frame !== "ping") return;
        isHeld ||= frame === type;
        listener.call(this, event);
      }, options);
    }
  };
  dispatchEvent(new Event("online"));
}
"""
_TELL = """
async ([session, turns, opened, story]) => {
  const ask = async (method, path, body) => (await fetch(path, {
    method,
    headers: body && {"Content-Type": "application/json"},
    body: body && JSON.stringify({request_id: crypto.randomUUID(), ...body}),
  })).json();
  const isOver = ({state}) => ["finished", "failed", "cancelled"].includes(state);
  let found;
  for (let turn = 1; turn <= turns; turn += 1) {
    const text = `${turn}. ${story}`;
    const {run_id, seq} = await ask("POST", `/v1${session}/messages`, {text});
    if (turn === opened) found = seq;
    while (!isOver(await ask("GET", `/v1/runs/${run_id}`))) {
      await new Promise((next) => setTimeout(next, 10));
    }
  }
  return found;
}
"""
_DELETE = '(session) => fetch(`/v1${session}`, {method: "DELETE"})'


async def empty(tab: ChatPage) -> None:
    """Nothing was said yet."""
    await tab.page.goto(await began_empty(tab))
    await tab.is_live()


async def working(tab: ChatPage) -> None:
    """A step is under way, and in it a tool."""
    await tab.page.goto(await began_empty(tab))
    await tab.is_live()
    await tab.page.evaluate(_NOTHING_AFTER, "tool.started")
    await tab.send(_ASKED)
    activity = tab.page.get_by_test_id("activity")
    await expect(activity.locator("[data-status=running]")).to_have_count(2)


async def queue(tab: ChatPage) -> None:
    """Messages wait for the reply under way."""
    await streaming(tab)
    for place in range(2):
        await tab.send(f"And one more thing, number {place + 1}.")
    await expect(tab.page.get_by_test_id("queue-position")).to_have_count(2)


async def refused(tab: ChatPage) -> None:
    """A message was not taken: too many wait."""
    await streaming(tab)
    for place in range(_QUEUE_LIMIT):
        await tab.send(f"Number {place + 1}.")
    await expect(tab.page.get_by_role("alert").first).to_be_visible()


async def failed(tab: ChatPage) -> None:
    """A reply broke off."""
    await said(tab, f"{STORY} /fault:cut")
    await tab.reply_ended("failed")
    await expect(tab.page.get_by_test_id("error-card")).to_be_visible()


async def superseded(tab: ChatPage) -> None:
    """A reply was tried again; the attempt before can still be read."""
    await failed(tab)
    await tab.retry_button.click()
    earlier = tab.page.locator("details")
    await expect(earlier).to_be_visible()
    await tab.reply_ended("failed")
    await expect(tab.page.get_by_test_id("error-card")).to_be_visible()
    await earlier.locator("summary").click()
    await expect(earlier.get_by_role("article")).to_be_visible()


async def stopped(tab: ChatPage) -> None:
    """The founder stopped a reply."""
    await streaming(tab)
    await tab.stop_button.click()
    await expect(tab.page.get_by_test_id("stopped-note")).to_be_visible()


async def right_to_left(tab: ChatPage) -> None:
    """Words that are read from right to left, among others."""
    await answered(tab, _HEBREW)
    await tab.send(_ARABIC)
    await expect(tab.replies).to_have_count(2)
    await tab.reply_ended()
    await expect(tab.page.get_by_test_id("suggestions")).to_be_visible()


async def editing(tab: ChatPage) -> None:
    """An earlier message is being changed."""
    await answered(tab)
    await tab.page.get_by_role("button", name=tab.words.edit).first.click()
    editor = tab.page.get_by_role("textbox", name=tab.words.changed_message)
    await expect(editor).to_be_focused()


async def branched(tab: ChatPage) -> None:
    """The changed message went on in a session of its own."""
    await answered(tab)
    await tab.send("They would sell bread on Saturday evenings.")
    await expect(tab.replies).to_have_count(2)
    await tab.reply_ended()
    source = tab.page.url
    await tab.page.get_by_role("button", name=tab.words.edit).last.click()
    editor = tab.page.get_by_role("textbox", name=tab.words.changed_message)
    await editor.fill(_OTHERWISE)
    await editor.press("Enter")
    await expect(tab.page).not_to_have_url(source)
    await expect(tab.page.get_by_test_id("branched-from")).to_be_visible()
    await expect(tab.replies).to_have_count(2)
    await tab.reply_ended()


async def past(tab: ChatPage) -> None:
    """A long talk is open where something was said, away from its end."""
    session = await began_empty(tab)
    told = [session, _TURNS, _OPENED_TURN, STORY]
    seq = await tab.page.evaluate(_TELL, told)
    await tab.page.goto(f"{session}?at={seq}")
    latest = tab.page.get_by_role("button", name=tab.words.back_to_latest)
    await expect(latest).to_be_visible()
    await expect(tab.page.locator("[data-opened]")).to_be_focused()


async def export_menu(tab: ChatPage) -> None:
    """The menu of files and print is open."""
    await answered(tab)
    await tab.page.get_by_role("button", name=tab.words.export, exact=True).click()
    await expect(tab.page.get_by_role("menuitem").first).to_be_focused()


async def printing(tab: ChatPage) -> None:
    """The talk as paper has it."""
    await answered(tab)
    await tab.page.evaluate("globalThis.print = () => {}")
    await tab.page.keyboard.press("Control+p")
    await tab.page.emulate_media(media="print")
    await expect(tab.page.get_by_test_id("print-view")).to_be_visible()


async def screen_again(tab: ChatPage) -> None:
    """Put the paper away."""
    await tab.page.emulate_media(media="screen")


async def not_found(tab: ChatPage) -> None:
    """The address names no session."""
    await tab.page.goto(f"/sessions/{uuid.uuid4()}")
    await _is_gone(tab)


async def deleted_elsewhere(tab: ChatPage) -> None:
    """The open session was deleted, not in this tab."""
    await answered(tab)
    session = re.sub(r"^.*(?=/sessions/)", "", tab.page.url)
    await tab.page.evaluate(_DELETE, session)
    await _is_gone(tab)


async def _is_gone(tab: ChatPage) -> None:
    heading = tab.page.get_by_role("heading", name=tab.words.not_here)
    await expect(heading).to_be_visible()
