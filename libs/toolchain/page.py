"""Build the page when its sources changed since the last build.

`python -m libs.toolchain.page` is part of `make run`: when the page cannot be
built it says so and goes on, for the API works alone.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from libs.toolchain.node import install_page_packages
from libs.toolchain.paths import FRONTEND, run, with_venv_on_path

__all__ = ["build_page", "is_page_current"]

_BUILT = FRONTEND / "dist" / "index.html"
_NOT_SOURCES = {"node_modules", "dist", "tests", "__tests__"}


def build_page() -> None:
    """Build the page into `frontend/dist` unless the build there is current."""
    if is_page_current(FRONTEND, built=_BUILT):
        return
    install_page_packages()
    build = ["npm", "run", "--silent", "build"]
    run(build, cwd=FRONTEND, env=with_venv_on_path())


def is_page_current(sources: Path, *, built: Path) -> bool:
    """Tell whether the build is newer than every source file."""
    if not built.exists():
        return False
    built_at = built.stat().st_mtime
    return all(path.stat().st_mtime <= built_at for path in _source_files(sources))


def _source_files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in _NOT_SOURCES:
            continue
        if path.is_dir():
            yield from _source_files(path)
        else:
            yield path


if __name__ == "__main__":
    try:
        build_page()
    except SystemExit as reason:
        sys.stdout.write(f"The page is left as it was ({reason}). The API works.\n")
