"""Every state the page can be in, and how a founder gets there.

Each is a function from the founder's tab to the tab in that state. The coach is
the simulated one, which acts out a failure when a message names it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.e2e import outage_states, panel_states, state_steps, talk_states
from tests.e2e.chat_page import ChatPage

__all__ = ["STATES", "State"]

type _Step = Callable[[ChatPage], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class State:
    """A state's name, the way there, and what undoes more than an address does."""

    name: str
    reach: _Step
    undo: _Step | None = None

    async def leave(self, tab: ChatPage) -> None:
        """Bring the tab back to where every state can be reached from."""
        if self.undo is not None:
            await self.undo(tab)


STATES = (
    State("home", state_steps.home),
    State("unreachable", outage_states.unreachable, outage_states.reachable_again),
    State("empty", talk_states.empty),
    State("working", talk_states.working),
    State("streaming", state_steps.streaming),
    State("answered", state_steps.answered),
    State("right-to-left", talk_states.right_to_left),
    State("queue", talk_states.queue),
    State("refused", talk_states.refused),
    State("failed", talk_states.failed),
    State("superseded", talk_states.superseded),
    State("stopped", talk_states.stopped),
    State("offline", outage_states.offline, outage_states.online_again),
    State("reconnecting", outage_states.reconnecting),
    State("restarting", outage_states.restarting),
    State("not-kept", outage_states.not_kept),
    State("session-menu", panel_states.session_menu),
    State("export-menu", talk_states.export_menu),
    State("printing", talk_states.printing, talk_states.screen_again),
    State("renaming", panel_states.renaming),
    State("deleting", panel_states.deleting),
    State("toast", panel_states.toast),
    State("archive", panel_states.archive),
    State("search", panel_states.search),
    State("nothing-found", panel_states.nothing_found),
    State("editing", talk_states.editing),
    State("branched", talk_states.branched),
    State("past", talk_states.past),
    State("linking", panel_states.linking),
    State("linked", panel_states.linked),
    State("link-refused", panel_states.link_refused),
    State("not-found", talk_states.not_found),
    State("deleted-elsewhere", talk_states.deleted_elsewhere),
)
"""In the order of a founder's day."""
