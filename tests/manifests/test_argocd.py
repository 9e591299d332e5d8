"""What Argo CD makes of a Crew's status, by k8s/argocd/health.lua."""

from collections.abc import Mapping
from typing import Any

import lupa  # type: ignore[import-untyped] # it has none
import pytest

from libs.toolchain.paths import ROOT

_SCRIPT = ROOT / "k8s" / "argocd" / "health.lua"
_ALL_WELL = {"Accepted": "True", "Ready": "True", "Stalled": "False"}


def _health(crew: Mapping[str, Any]) -> tuple[str, str]:
    lua = lupa.LuaRuntime()
    judge = lua.execute(f"return function(obj) {_SCRIPT.read_text()} end")
    told = judge(lua.table_from(crew, recursive=True))
    return told["status"], told["message"]


def _crew(
    conditions: Mapping[str, str], *, seen: int = 2, is_paused: bool = False
) -> dict[str, Any]:
    told = [
        {"type": name, "status": status, "message": f"{name} is {status}"}
        for name, status in conditions.items()
    ]
    return {
        "metadata": {"name": "coaching", "generation": 2},
        "spec": {"paused": is_paused},
        "status": {"observedGeneration": seen, "conditions": told},
    }


@pytest.mark.parametrize(
    ("crew", "health", "message"),
    [
        (_crew(_ALL_WELL), "Healthy", "Ready is True"),
        (_crew(_ALL_WELL, seen=1), "Progressing", "the operator has not seen it yet"),
        (_crew({"Ready": "Unknown"}), "Progressing", "Ready is Unknown"),
        (_crew({"Ready": "False"}), "Progressing", "Ready is False"),
        (_crew({"Ready": "False", "Stalled": "True"}), "Degraded", "Stalled is True"),
        (
            _crew({"Ready": "False", "Accepted": "False"}),
            "Degraded",
            "Accepted is False",
        ),
        (_crew(_ALL_WELL, is_paused=True), "Suspended", "Ready is True"),
    ],
)
def test_a_crew_is_as_healthy_as_its_conditions_say(
    crew: Mapping[str, Any], health: str, message: str
) -> None:
    assert _health(crew) == (health, message)


def test_a_crew_that_nobody_looked_at_is_on_its_way() -> None:
    assert _health({"metadata": {"generation": 1}, "spec": {}})[0] == "Progressing"
