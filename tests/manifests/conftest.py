"""Tests of the charts need a Helm to render them, and both lines of it to compare."""

import os

import pytest

from tests.manifests.rendering import installed_helms
from tests.real import missing

_LINES = {3, 4}


@pytest.fixture(autouse=True, scope="session")
def _helm() -> None:
    """Skip aloud where there is none, unless that is not allowed."""
    found = {*installed_helms()}
    is_enough = found >= _LINES or (
        bool(found) and os.environ.get("VB_REQUIRE_REAL") != "1"
    )
    if not is_enough:
        absent = " and no ".join(f"Helm {line}" for line in sorted(_LINES - found))
        missing(f"no {absent}: set HELM, or put helm and helm3 on PATH")
