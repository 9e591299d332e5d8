"""No state of the page breaks a rule of axe, in any look or size."""

import json
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from playwright.async_api import Page

from libs.testing.stack import REPOSITORY
from tests.e2e.conftest import Founder
from tests.e2e.states import STATES, State
from tests.e2e.words import ENGLISH, GERMAN

_AXE = REPOSITORY / "frontend/node_modules/axe-core/axe.min.js"
_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_RUN = f"""
(async () => {{
  const {{ violations }} = await axe.run(document, {{
    runOnly: {json.dumps(_TAGS)}, resultTypes: ["violations"],
  }});
  return violations.map(({{ id, nodes }}) => ({{
    id, nodes: nodes.map((node) => `${{node.html}} ${{node.failureSummary}}`),
  }}));
}})()
"""
_SIDEWAYS = """
() => document.documentElement.scrollWidth - document.documentElement.clientWidth
"""
_BELOW_THE_PAGE = """
() => {
  const main = document.querySelector("#root main");
  return main.checkVisibility() ? innerHeight - main.getBoundingClientRect().bottom : 0;
}
"""
_SMALL_TARGETS = """
() => [...document.querySelectorAll("button, summary, input, textarea, a[role]")]
  .filter((element) => !element.disabled && element.checkVisibility())
  .map((element) => [element.getBoundingClientRect(), element.outerHTML])
  .filter(([{ width, height }]) => width > 0 && Math.min(width, height) < 24)
  .map(([{ width, height }, html]) => `${width} x ${height}: ${html.slice(0, 120)}`)
"""


@dataclass(frozen=True, slots=True)
class Look:
    """A size of the window in CSS pixels and a colour scheme."""

    width: int
    height: int
    colours: Literal["light", "dark"]

    async def put_on(self, page: Page) -> None:
        """Give the page this look."""
        await page.set_viewport_size({"width": self.width, "height": self.height})
        await page.emulate_media(color_scheme=self.colours, reduced_motion="reduce")


# 200 % zoom of a window 1280 wide is a window of 640 CSS pixels.
_WIDE = (1280, 800)
_PHONE = (360, 640)
_ZOOMED = (640, 400)
_COLOURS: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def _in_both_colours(*sizes: tuple[int, int]) -> tuple[Look, ...]:
    return tuple(
        Look(width, height, colours) for width, height in sizes for colours in _COLOURS
    )


# Beside the talk the sessions stand only where it is wide: each kind of page is
# brought into every state once, and then looked at in all its looks.
_TABS = {
    "wide": (ENGLISH, _in_both_colours(_WIDE)),
    "narrow": (ENGLISH, _in_both_colours(_PHONE, _ZOOMED)),
    "german": (GERMAN, (Look(*_PHONE, "light"),)),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", _TABS)
async def test_no_state_breaks_a_rule(coached_founder: Founder, kind: str) -> None:
    words, looks = _TABS[kind]
    coached_founder.is_outage_expected = True
    tab = await coached_founder.tab(
        words=words,
        viewport={"width": looks[0].width, "height": looks[0].height},
        reduced_motion="reduce",
    )
    found: list[str] = []
    for state in STATES:
        await state.reach(tab)
        found += await _faults(tab.page, state, looks)
        await state.leave(tab)
        await looks[0].put_on(tab.page)
    assert not found, "\n".join(found)


async def _faults(page: Page, state: State, looks: tuple[Look, ...]) -> list[str]:
    await page.evaluate(_AXE.read_text("utf-8"))
    found: list[str] = []
    for look in looks:
        await look.put_on(page)
        violations: list[dict[str, Any]] = await page.evaluate(_RUN)
        where = f"{state.name} {look}"
        found += [f"{where}: {each['id']} {each['nodes']}" for each in violations]
        found += [f"{where}: too small {each}" for each in await _small(page)]
        if (sideways := await page.evaluate(_SIDEWAYS)) > 0:
            found.append(f"{where}: scrolls {sideways} px sideways")
        if (below := await page.evaluate(_BELOW_THE_PAGE)) > 1:
            found.append(f"{where}: ends {below} px before the window does")
    return found


async def _small(page: Page) -> list[str]:
    small: list[str] = await page.evaluate(_SMALL_TARGETS)
    return small
