"""The Docker engine that images are built and run with.

`python -m libs.toolchain.docker PROGRAM …` runs a program that finds it.
"""

import os
import subprocess
import sys

from libs.toolchain.cluster import is_engine_running, lacking
from libs.toolchain.paths import ROOT, run, with_venv_on_path

__all__ = [
    "NoDockerError",
    "docker_environment",
    "has_engine",
    "missing_docker",
    "stop_engine",
]

_TESTBED = str(ROOT / "tests" / "cluster" / "testbed" / "testbed")
_QUESTIONS = (
    ("docker", "version"),
    ("docker", "buildx", "version"),
    ("docker", "compose", "version"),
)
_TOLD = ("DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_BUILDKIT")


class NoDockerError(Exception):
    """Why there is no engine here."""


def missing_docker() -> str | None:
    """Tell why there can be no engine here, if so; none is started."""
    reasons = None if _answers() else lacking("images")
    if reasons is None:
        return None
    return f"no Docker with buildx and compose; none of our own: {reasons}"


def has_engine() -> bool:
    """Whether an engine runs: the machine's, or our own."""
    return _answers() or is_engine_running()


def docker_environment() -> dict[str, str]:
    """Tell what programs must be told to find an engine: nothing, or where ours is.

    On a machine without one the testbed's is started, where that is possible.
    Raises NoDockerError.
    """
    if _answers():
        return {}
    if missing := missing_docker():
        raise NoDockerError(missing)
    run([_TESTBED, "up", "engine"])
    told = subprocess.run(
        [_TESTBED, "run", "env", "-0"], capture_output=True, text=True, check=True
    )
    entries = (line.partition("=") for line in told.stdout.split("\0"))
    return {name: value for name, _, value in entries if name in _TOLD}


def stop_engine() -> None:
    """Stop our own engine, with the cluster if one runs on it."""
    run([_TESTBED, "down"])


def _answers() -> bool:
    try:
        return all(
            subprocess.run(command, capture_output=True, check=False).returncode == 0
            for command in _QUESTIONS
        )
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    try:
        os.environ.update(docker_environment())
    except NoDockerError as reason:
        sys.exit(str(reason))
    run(sys.argv[1:], env=with_venv_on_path())
