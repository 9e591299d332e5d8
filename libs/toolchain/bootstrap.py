"""Bring a bare machine to where every other target works (`make bootstrap`).

Run by any Python 3.12 or 3.13, and quick when the locks are as they were. The
page's packages are `libs.toolchain.node`'s, which needs what is made here.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from libs.toolchain.node import link_own_node, machine_has_node, unlink_own_node
from libs.toolchain.paths import ROOT, VENV, VENV_BIN, run

STAMP = VENV / ".bootstrapped"

_REQUIREMENTS = ROOT / "requirements"
_LOCKS = ("uv.txt", "dev.txt", "node.txt")


def main() -> None:
    """Make the environment and install what the locks name."""
    has_node = machine_has_node()
    wanted = _fingerprint(has_node=has_node)
    if not _is_current(wanted):
        STAMP.unlink(missing_ok=True)
        if not _runs(VENV_BIN / "python"):
            _create_environment()
        _install_python_packages(with_node=not has_node)
    STAMP.write_text(wanted)


def _fingerprint(*, has_node: bool) -> str:
    digest = hashlib.sha256(f"{has_node}".encode())
    for path in (ROOT / "pyproject.toml", *(_REQUIREMENTS / name for name in _LOCKS)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _is_current(wanted: str) -> bool:
    return STAMP.exists() and STAMP.read_text() == wanted and _runs(VENV_BIN / "python")


def _runs(python: Path) -> bool:
    # An environment outlives the interpreter it was made from.
    if not python.exists():
        return False
    return subprocess.run([python, "-c", ""], check=False).returncode == 0


def _create_environment() -> None:
    uv = shutil.which("uv")
    if uv is not None:
        run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, VENV])
    else:
        _ensure_venv_module()
        run([sys.executable, "-m", "venv", "--clear", VENV])


def _ensure_venv_module() -> None:
    if importlib.util.find_spec("ensurepip") and importlib.util.find_spec("venv"):
        return
    # Debian and its children ship the module as a package of its own.
    package = f"python3.{sys.version_info.minor}-venv"
    apt_get = shutil.which("apt-get")
    if apt_get is None or os.geteuid() != 0:
        message = (
            f"{sys.executable} cannot make environments. Run "
            f"'sudo apt-get install {package}' (or install uv) and try again."
        )
        raise SystemExit(message)
    run([apt_get, "update", "-qq"])
    run([apt_get, "install", "-qq", "--yes", "--no-install-recommends", package])
    importlib.invalidate_caches()


def _install_python_packages(*, with_node: bool) -> None:
    python, uv = VENV_BIN / "python", VENV_BIN / "uv"
    if not uv.exists():
        _install_uv(python)
    locks = [_REQUIREMENTS / "dev.txt"]
    if with_node:
        locks.append(_REQUIREMENTS / "node.txt")
    into: list[str | Path] = ["--quiet", "--python", python]
    run([uv, "pip", "sync", *into, "--require-hashes", *locks])
    run([uv, "pip", "install", *into, "--no-deps", "--no-build-isolation", "-e", "."])
    if with_node:
        link_own_node()
    else:
        unlink_own_node()


def _install_uv(python: Path) -> None:
    pinned: list[str | Path] = [
        "--quiet",
        "--require-hashes",
        "-r",
        _REQUIREMENTS / "uv.txt",
    ]
    machine_uv = shutil.which("uv")
    if machine_uv is not None:
        run([machine_uv, "pip", "install", "--python", python, *pinned])
    else:
        run([python, "-m", "pip", "install", *pinned])


if __name__ == "__main__":
    main()
