"""What the page says when something it needs is away."""

from playwright.async_api import Route, expect

from tests.e2e.chat_page import ChatPage
from tests.e2e.state_steps import answered, home

__all__ = [
    "not_kept",
    "offline",
    "online_again",
    "reachable_again",
    "reconnecting",
    "restarting",
    "unreachable",
]

_LOST = 1006
_DRAINING = 1012
_API = "**/v1/**"
# From now on a socket ends by that code as soon as it is open; null never opens.
_SOCKETS_END = """
(code) => {
  globalThis.WebSocket = class extends EventTarget {
    static CONNECTING = 0; static OPEN = 1; static CLOSING = 2; static CLOSED = 3;
    readyState = 0;
    constructor() {
      super();
      if (code !== null) setTimeout(() => {
        this.dispatchEvent(new Event("open"));
        this.readyState = 3;
        this.dispatchEvent(new CloseEvent("close", {code}));
      });
    }
    send() {}
    close() {}
  };
  dispatchEvent(new Event("online"));
}
"""
_KEEPS_NOTHING = """
() => {
  Storage.prototype.setItem = () => {
    throw new DOMException("full", "QuotaExceededError");
  };
}
"""


async def offline(tab: ChatPage) -> None:
    """There is no network; a message waits for it."""
    await answered(tab)
    await tab.page.context.set_offline(offline=True)
    await expect(tab.connection).to_have_attribute("data-state", "offline")
    await tab.send("Written while nothing works.")
    await expect(tab.articles).to_have_count(3)


async def online_again(tab: ChatPage) -> None:
    """Bring the network back."""
    await tab.page.context.set_offline(offline=False)
    await tab.is_live()


async def unreachable(tab: ChatPage) -> None:
    """The network is there, but no gateway."""
    await home(tab)
    await tab.page.route(_API, _is_refused)
    await tab.page.evaluate(_SOCKETS_END, _LOST)
    await expect(tab.connection).to_have_attribute("data-state", "offline")
    await tab.composer.fill("Half a thought")


async def _is_refused(route: Route) -> None:
    await route.abort("connectionrefused")


async def reachable_again(tab: ChatPage) -> None:
    """Bring the gateway back."""
    await tab.page.unroute(_API)


async def reconnecting(tab: ChatPage) -> None:
    """The connection was lost a moment ago."""
    await answered(tab)
    await tab.page.evaluate(_SOCKETS_END, None)
    await expect(tab.connection).to_have_attribute("data-state", "connecting")


async def restarting(tab: ChatPage) -> None:
    """The gateway said that it restarts, and is not back yet."""
    await answered(tab)
    await tab.page.evaluate(_SOCKETS_END, _DRAINING)
    await expect(tab.connection).to_have_attribute("data-state", "offline")


async def not_kept(tab: ChatPage) -> None:
    """The browser keeps nothing of what is written."""
    await answered(tab)
    await tab.page.evaluate(_KEEPS_NOTHING)
    await tab.composer.fill("Half a thought")
    await expect(tab.page.get_by_test_id("not-kept")).to_be_visible()
