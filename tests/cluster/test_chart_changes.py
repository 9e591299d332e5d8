"""A newer chart: its crews come as canaries, its definitions come at all."""

import asyncio
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from libs.toolchain.paths import ROOT
from tests.cluster.crews import GROUP, Crews
from tests.cluster.kubernetes import Kubernetes, Release
from tests.figures import figure

pytestmark = pytest.mark.timeout(1200)

_CREW = "coaching"
_DEFINITIONS = "venturebots-crds"
_ROLLOUT = {
    "steps": [{"weight": 40, "pauseSeconds": 5}, {"weight": 100}],
    "analysis": {"minTurns": 1, "waitForTurns": False},
}


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """Copy the charts, to be changed as their next version would be."""
    charts = tmp_path / "charts"
    shutil.copytree(ROOT / "charts", charts, symlinks=True)
    return charts


def _change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text, f"{file.name} has no {old!r}"
    file.write_text(text.replace(old, new, 1))


async def test_a_changed_crew_of_the_chart_comes_as_a_canary_and_helm_waits_for_it(
    empty_release: Release, newer: Path
) -> None:
    crews = Crews(empty_release)
    values = {"crews": {"rollout": _ROLLOUT}}
    await asyncio.to_thread(empty_release.install, **values)
    # Not waited for: this is what --wait has waited for.
    assert crews.condition(_CREW, "Ready") == ("True", "Serving")
    before = crews.stable(_CREW)
    file = newer / "venturebots" / "files" / "crews" / f"crew-{_CREW}.yaml"
    _change(file, "Reply to the founder's latest message.", "Reply to the founder.")

    upgrading = asyncio.create_task(
        asyncio.to_thread(replace(empty_release, charts=newer).install, **values)
    )
    weights = set()
    while not upgrading.done():
        told = await asyncio.to_thread(crews.status, _CREW)
        if told["stableDigest"] == before and told["newestDigest"] != before:
            weights.add(told.get("canaryWeight", 0))
        await asyncio.sleep(0.2)
    await upgrading

    assert crews.condition(_CREW, "Ready") == ("True", "Serving")
    assert crews.stable(_CREW) == crews.newest(_CREW) != before
    assert 40 in weights
    figure(f"helm upgrade with a changed crew: weights seen {sorted(weights)}")

    await asyncio.to_thread(empty_release.uninstall)
    assert crews.get(_CREW)["spec"]["description"]
    assert before in crews.revisions(_CREW).values()


def test_definitions_come_with_an_upgrade_and_outlive_their_release(
    kubernetes: Kubernetes, newer: Path
) -> None:
    file = newer / _DEFINITIONS / "templates" / "crews.yaml"
    _change(file, "shortNames:", "shortNames:\n    - vbc")

    try:
        kubernetes.install_definitions(newer)
        assert "vbc" in _short_names(kubernetes)
        kubernetes.helm("uninstall", _DEFINITIONS, "--namespace", _DEFINITIONS)
        assert "vbc" in _short_names(kubernetes)
    finally:
        kubernetes.install_definitions()
    assert "vbc" not in _short_names(kubernetes)


def _short_names(kubernetes: Kubernetes) -> list[str]:
    words = ("get", "crd", f"crews.{GROUP}", "--output", "json")
    found = json.loads(kubernetes.kubectl(*words))
    names: list[str] = found["spec"]["names"]["shortNames"]
    return names
