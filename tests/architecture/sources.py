"""The files of the repository, as the rules see them."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]

_GENERATED = ("protos/gen/", "frontend/src/shared/api/schema.gen.ts")


@cache
def files() -> tuple[Path, ...]:
    """List every file that is, or could be, committed, relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git is found on PATH
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = sorted({name for name in listed.split("\0") if name})
    return tuple(Path(name) for name in names if (ROOT / name).is_file())


def written_by_hand(*suffixes: str) -> list[Path]:
    """List the files with these suffixes that no generator writes."""
    return [
        path
        for path in files()
        if path.suffix in suffixes and not str(path).startswith(_GENERATED)
    ]


def text_of(path: Path) -> str:
    """Read a file of the repository; bytes that are no text become marks."""
    return (ROOT / path).read_text("utf-8", errors="replace")


def lines_of(path: Path) -> list[str]:
    """Read the lines of a file of the repository."""
    return text_of(path).splitlines()
