"""The chart of the definitions: what Helm makes of it is what was written."""

import subprocess

import pytest

from libs.crewspec.crds import RESOURCES, definition
from libs.toolchain.charts import CHARTS
from tests.manifests.rendering import RefusedError, installed_helms, render

_CHART = CHARTS / "venturebots-crds"


def test_every_line_of_helm_renders_the_definitions_as_they_are() -> None:
    for major in installed_helms():
        rendered = render(chart=_CHART, major=major).of_kind("CustomResourceDefinition")
        assert rendered == {one.name: definition(one) for one in RESOURCES}


def test_helm_finds_nothing_to_say_about_it() -> None:
    for helm in installed_helms().values():
        done = subprocess.run(
            [helm, "lint", "--strict", _CHART],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_can_be_set() -> None:
    with pytest.raises(RefusedError, match="keep"):
        render({"keep": False}, chart=_CHART)
