"""Break the core of the page and count what its tests notice (see `mutation`)."""

import json
from collections.abc import Sequence

from libs.toolchain.node import install_packages
from libs.toolchain.paths import FRONTEND, ROOT, run, with_venv_on_path

__all__ = ["share_of_page"]

_TOOL = FRONTEND / "tools" / "mutation"
_REPORT = ROOT / "var" / "mutation" / "page.json"
_NOTICED = {"Killed", "Timeout"}
_UNNOTICED = {"Survived", "NoCoverage"}


def share_of_page() -> float:
    """Try every mutant of the page's core; the share that was noticed."""
    install_packages(FRONTEND)
    install_packages(_TOOL)
    program = _TOOL / "node_modules" / "@stryker-mutator" / "core" / "bin"
    config = _TOOL / "stryker.config.json"
    run(
        ["node", program / "stryker.js", "run", config],
        cwd=FRONTEND,
        env=with_venv_on_path(),
    )
    files = json.loads(_REPORT.read_text("utf-8"))["files"].values()
    return _share([mutant["status"] for file in files for mutant in file["mutants"]])


def _share(statuses: Sequence[str]) -> float:
    """Leave out what could not be tried, such as what does not compile."""
    noticed = sum(status in _NOTICED for status in statuses)
    unnoticed = sum(status in _UNNOTICED for status in statuses)
    return noticed / (noticed + unnoticed)
