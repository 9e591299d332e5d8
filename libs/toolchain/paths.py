"""Where things are in the checkout, and how a command is run in it."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = [
    "FRONTEND",
    "ROOT",
    "VENV",
    "VENV_BIN",
    "cache_of_testbed",
    "run",
    "with_venv_on_path",
]

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
VENV_BIN = VENV / "bin"
FRONTEND = ROOT / "frontend"


def cache_of_testbed() -> Path:
    """Return where the test cluster keeps its tools, as its settings.sh says."""
    if told := os.environ.get("TESTBED_CACHE"):
        return Path(told)
    shared = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(shared) / "testbed"


def with_venv_on_path() -> dict[str, str]:
    """Return the environment with the project's programs found first."""
    return {**os.environ, "PATH": f"{VENV_BIN}{os.pathsep}{os.environ['PATH']}"}


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run a command, telling it first; end the program when it fails."""
    words = [str(word) for word in command]
    shown = " ".join(word.removeprefix(f"{ROOT}/") for word in words)
    sys.stdout.write(f"→ {shown}\n")
    sys.stdout.flush()
    try:
        outcome = subprocess.run(words, cwd=cwd, env=env, check=False)
    except FileNotFoundError as error:
        raise SystemExit(f"{error.filename!s} was not found") from error
    if outcome.returncode != 0:
        message = f"{shown!r} failed with status {outcome.returncode}"
        raise SystemExit(message)
