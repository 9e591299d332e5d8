"""What a directory looks like from outside: enough to see that it changed."""

import os
from pathlib import Path

__all__ = ["Glance", "identity_of", "look_at"]

Glance = frozenset[tuple[str, int, int, int, int]]
"""Of each file: path, device, inode, time of change and size."""


def identity_of(directory: Path) -> tuple[int, int] | None:
    """Tell which directory has this name now; None when there is none."""
    try:
        told = directory.stat()
    except OSError:
        return None
    return told.st_dev, told.st_ino


def look_at(directory: Path) -> Glance:
    """Look at every file below a directory without opening it."""
    files: set[tuple[str, int, int, int, int]] = set()
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118 - its walk gives text
            try:
                told = os.stat(path)  # noqa: PTH116 - as above
            except OSError:
                files.add((path, 0, 0, 0, 0))
                continue
            files.add((path, told.st_dev, told.st_ino, told.st_ctime_ns, told.st_size))
    return frozenset(files)
