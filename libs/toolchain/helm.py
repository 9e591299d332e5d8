"""Finds Helm: the one to use, and every line of it that is there."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from libs.toolchain.paths import cache_of_testbed

__all__ = ["find_helms"]

_NAMES = ("helm", "helm3")
_VERSION = re.compile(r"v(?P<major>\d+)\.")


def find_helms() -> dict[int, Path]:
    """Return the Helm of each major version: `$HELM`, any on PATH, the test cluster's.

    The first is the one to use where one is enough.
    """
    named = os.environ.get("HELM")
    folders = [folder for folder in os.environ["PATH"].split(os.pathsep) if folder]
    places = [*map(Path, folders), cache_of_testbed() / "bin"]
    candidates = [Path(shutil.which(named) or named)] if named else []
    candidates += [place / name for place in places for name in _NAMES]
    found: dict[int, Path] = {}
    for candidate in candidates:
        major = _major_of(candidate) if candidate.exists() else None
        if major is not None:
            found.setdefault(major, candidate)
    return found


def _major_of(helm: Path) -> int | None:
    try:
        told = subprocess.run(
            [helm, "version", "--short"],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = _VERSION.match(told)
    return int(match["major"]) if match else None
