"""Break the core line by line and count what its tests notice (`make mutation`).

A sample of the mutants of each target is made in copies of the checkout, one at a
time in each; a target passes when its tests kill at least `_KILLED` of them. The
sample is drawn with a seed, which is told; `VB_MUTATION_SEED` draws it again, and
`VB_MUTANTS` chooses how many there are of each. What survived is shown as the change
it was. `mutation_sample` tells what is no mutant a test could notice.
"""

import json
import os
import random
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from libs.toolchain.mutation_page import share_of_page
from libs.toolchain.paths import ROOT, VENV_BIN, run

__all__ = ["main"]

_WORKSPACE = ROOT / "var" / "mutation"
_VENV = _WORKSPACE / "venv"
_TREES = [_WORKSPACE / f"tree-{n}" for n in range(min(os.cpu_count() or 1, 4))]
"""Copies of the checkout: what is broken in one is whole in the others."""
_LOCK = ROOT / "requirements" / "mutation.txt"
_SAMPLE = Path(__file__).with_name("mutation_sample.py")
_MUTANTS = 40
_KILLED = 0.8
_PAGE = "page"
# Looking for plugins costs more than all else that comes before the first test.
_PYTEST = (
    *("env", "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1", str(VENV_BIN / "python"), "-m"),
    *("pytest", "-q", "-x", "-p", "no:cacheprovider"),
    *("-p", "pytest_asyncio.plugin", "-p", "pytest_timeout"),
)
_PATIENCE = 5
"""A mutant that takes this many times what the unbroken tests took hangs.

So does one of which a single test takes as long as all of them took.
"""


@dataclass(frozen=True, slots=True)
class _Target:
    """A module and the tests that are to notice when it is broken."""

    module: str
    tests: tuple[str, ...]
    tuned: tuple[str, ...] = ()
    """Figures that may be others without anybody being told anything wrong."""


_STORE = "services/api_gateway/store_sql"
_TARGETS = {
    "writer": _Target(
        f"{_STORE}/writer.py",
        (
            f"{_STORE}/tests/test_writer.py",
            f"{_STORE}/tests/test_damage.py",
            f"{_STORE}/tests/test_failures.py",
        ),
        tuned=(
            *("_BATCH_LIMIT", "_REST_SECONDS", "_TICK_SECONDS", "capacity"),
            *("_last_now", "_patient_commit_at"),  # begin anywhere in the past
        ),
    ),
    "pump": _Target(
        "services/api_gateway/runs/pump.py",
        (
            "services/api_gateway/runs/tests/test_pump.py",
            "services/api_gateway/runs/tests/test_runs.py",
            "services/api_gateway/runs/tests/test_pods.py",
        ),
        tuned=(
            *("pick_seconds", "lost_seconds", "stop_seconds", "run_seconds"),
            *("overdue_seconds", "reattach_seconds", "store_retry_seconds"),
            *("renew_seconds",),
        ),
    ),
    "reducer": _Target(
        f"{_STORE}/run_events.py",
        (
            f"{_STORE}/tests/test_neighbours.py",
            f"{_STORE}/tests/test_run_events.py",
            f"{_STORE}/tests/test_runs.py",
            f"{_STORE}/tests/test_summaries.py",
        ),
    ),
}


def main() -> None:
    """Mutate every target, or those named on the command line."""
    names = sys.argv[1:] or [*_TARGETS, _PAGE]
    seed = int(os.environ.get("VB_MUTATION_SEED", random.randrange(10_000)))  # noqa: S311 - a sample
    shares: dict[str, float] = {}
    if names != [_PAGE]:
        _install()
        _copy_trees()
    for name in names:
        shares[name] = (
            share_of_page()
            if name == _PAGE
            else _share_killed(name, _TARGETS[name], seed)
        )
        _tell(f"{name}: {shares[name]:.0%} killed (must be ≥ {_KILLED:.0%})")
    _tell(f"seed {seed}")
    raise SystemExit(int(any(share < _KILLED for share in shares.values())))


def _install() -> None:
    """Install the mutating tool beside the project's own environment."""
    uv = VENV_BIN / "uv"
    if not _VENV.exists():
        run([uv, "venv", "--quiet", "--python", VENV_BIN / "python", _VENV])
    into = ["--quiet", "--python", str(_VENV / "bin" / "python")]
    run([uv, "pip", "sync", *into, "--require-hashes", _LOCK])


def _copy_trees() -> None:
    """Copy what is (or would be) committed, so that nothing here is broken."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - the machine's git
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = [name for name in listed.stdout.decode().split("\0") if name]
    for tree in _TREES:
        shutil.rmtree(tree, ignore_errors=True)
        for name in names:
            if not name.startswith("frontend/") and (ROOT / name).exists():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, tree / name, follow_symlinks=False)


def _share_killed(name: str, target: _Target, seed: int) -> float:
    """Try a sample of the target's mutants; the share that was noticed."""
    seconds = _seconds_unbroken(target)
    _tell(f"{name}: the unbroken tests took {seconds:.0f} s")
    config = _config(target, seconds_unbroken=seconds)
    with ThreadPoolExecutor(len(_TREES)) as pool:
        parts = range(len(_TREES))
        tried = pool.map(lambda part: _try_part(part, name, config, seed), parts)
        results = [result for of_part in tried for result in of_part]
    survivors = [result["diff"] for result in results if _survived(result)]
    for diff in survivors:
        _tell(f"survived:\n{_without_header(diff)}")
    killed = len(results) - len(survivors)
    _tell(f"{name}: {killed} of {len(results)} mutants killed, seed {seed}")
    return killed / len(results)


def _try_part(part: int, name: str, config: str, seed: int) -> list[dict[str, str]]:
    """Try one tree's part of the sample."""
    tree, words = _TREES[part], [str(seed), f"{part}/{len(_TREES)}"]
    toml, session = tree / f"{name}.toml", tree / f"{name}.sqlite"
    toml.write_text(config, "utf-8")
    mutants = os.environ.get("VB_MUTANTS", str(_MUTANTS))
    _tool(tree, "cosmic-ray", "init", toml, session)
    _tool(tree, "python", _SAMPLE, session, mutants, *words, *_TARGETS[name].tuned)
    _tool(tree, "cosmic-ray", "exec", toml, session)
    dump = _tool(tree, "cosmic-ray", "dump", session)
    results = [json.loads(line)[1] for line in dump.splitlines()]
    return [result for result in results if _was_tried(result)]


def _seconds_unbroken(target: _Target) -> float:
    started = time.monotonic()
    outcome = subprocess.run(
        [*_PYTEST, *target.tests],
        cwd=_TREES[0],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if outcome.returncode != 0:
        raise SystemExit(f"the unbroken tests failed:\n{outcome.stdout}")
    return time.monotonic() - started


def _was_tried(result: dict[str, str] | None) -> bool:
    return result is not None and result["worker_outcome"] == "normal"


def _survived(result: dict[str, str]) -> bool:
    return result["test_outcome"] == "survived"


def _without_header(diff: str) -> str:
    return "\n".join(diff.splitlines()[3:])


def _config(target: _Target, *, seconds_unbroken: float) -> str:
    tests = [*_PYTEST, f"--timeout={seconds_unbroken:.0f}", *target.tests]
    return (
        "[cosmic-ray]\n"
        f"module-path = {json.dumps(target.module)}\n"
        f"timeout = {_PATIENCE * seconds_unbroken:.1f}\n"
        "excluded-modules = []\n"
        f"test-command = {json.dumps(shlex.join(tests))}\n"
        "[cosmic-ray.distributor]\n"
        'name = "local"\n'
    )


def _tool(tree: Path, program: str, *arguments: str | Path) -> str:
    """Run a program of the mutation environment in a copy; returns its output."""
    words: Sequence[str] = [str(_VENV / "bin" / program), *map(str, arguments)]
    outcome = subprocess.run(
        words, cwd=tree, stdout=subprocess.PIPE, text=True, check=False
    )
    if outcome.returncode != 0:
        raise SystemExit(f"{program} failed:\n{outcome.stdout}")
    return outcome.stdout


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
