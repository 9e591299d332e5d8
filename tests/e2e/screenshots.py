"""Take a picture of every state of the page: `python -m tests.e2e.screenshots`.

The page is the built one, the stack real, the coach simulated. Pictures go to
`var/screenshots`, named by state and look; their paths are printed.
"""

import asyncio
import shutil
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.async_api import Browser

from libs.testing.stack import REPOSITORY, Stack
from libs.toolchain.browser import find_chromium
from tests.e2e.chat_page import ChatPage
from tests.e2e.states import STATES
from tests.e2e.visitor import open_browser
from tests.e2e.words import ENGLISH, GERMAN, Words

__all__ = ["take_all"]

_FOLDER = REPOSITORY / "var" / "screenshots"


@dataclass(frozen=True, slots=True)
class Look:
    """How the page is looked at: its name, the window's size, the browser's wishes."""

    name: str
    width: int
    height: int
    options: dict[str, object]
    words: Words = ENGLISH


_PHONE: dict[str, object] = {"has_touch": True, "device_scale_factor": 2}
_LOOKS = (
    Look("light", 1440, 900, {}),
    Look("dark", 1440, 900, {"color_scheme": "dark"}),
    Look("phone", 360, 720, _PHONE),
    Look("phone-dark", 360, 720, {"color_scheme": "dark"} | _PHONE),
    Look("german", 1440, 900, {}, GERMAN),
    Look("german-phone", 360, 720, _PHONE, GERMAN),
    Look("contrast", 1440, 900, {"forced_colors": "active"}),
)
_AT_ONCE = 2
"""So many looks are taken side by side: each waits for replies most of the time."""


async def take_all(folder: Path) -> list[Path]:
    """Write all pictures into `folder`; returns their paths."""
    chromium = find_chromium()
    if chromium is None:
        message = "no Chromium: set CHROMIUM, or put one on PATH"
        raise SystemExit(message)
    with TemporaryDirectory() as directory:
        settings = {"VB_ORCHESTRATOR_SIMULATION_HAS_FAULTS": "true"}
        stack = Stack(
            Path(directory), orchestrator_settings=settings, tokens_per_second=1_000
        )
        async with stack, open_browser(str(chromium)) as browser:
            places = asyncio.Semaphore(_AT_ONCE)
            taken = await asyncio.gather(
                *(
                    _in_turn(places, _take(browser, stack.url, look, folder))
                    for look in _LOOKS
                )
            )
    return [path for paths in taken for path in paths]


async def _in_turn(
    places: asyncio.Semaphore, taking: Coroutine[None, None, list[Path]]
) -> list[Path]:
    async with places:
        return await taking


async def _take(browser: Browser, url: str, look: Look, folder: Path) -> list[Path]:
    context = await browser.new_context(
        base_url=url,
        locale=look.words.locale,
        viewport={"width": look.width, "height": look.height},
        reduced_motion="reduce",
        **look.options,  # type: ignore[arg-type] # Playwright's own names
    )
    tab = ChatPage(await context.new_page(), look.words)
    taken: list[Path] = []
    for state in STATES:
        await state.reach(tab)
        await tab.page.wait_for_timeout(300)  # a picture of what has settled
        path = folder / f"{state.name}-{look.name}.png"
        await tab.page.screenshot(path=path)
        await state.leave(tab)
        taken.append(path)
    await context.close()
    return taken


def _main() -> None:
    shutil.rmtree(_FOLDER, ignore_errors=True)
    _FOLDER.mkdir(parents=True)
    for path in asyncio.run(take_all(_FOLDER)):
        sys.stdout.write(f"{path.relative_to(REPOSITORY)}\n")


if __name__ == "__main__":
    _main()
