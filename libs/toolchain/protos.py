"""Generate the Python code of `protos/` and check what buf checks (`make protos`).

With `--check`, nothing is written: the program fails when the checked-in code
differs from what the definitions give, when buf's lint or format complain, or
when the definitions break those of the last release.
"""

import filecmp
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from libs.toolchain.paths import ROOT, VENV_BIN, run, with_venv_on_path

__all__ = ["differing_files", "main"]

_PROTOS = ROOT / "protos"
_GENERATED = _PROTOS / "gen"


def main() -> None:
    """Generate, or check when called with `--check`."""
    if "--check" in sys.argv[1:]:
        _check()
        return
    run([VENV_BIN / "buf", "format", "--write"], cwd=_PROTOS)
    shutil.rmtree(_GENERATED, ignore_errors=True)
    _generate(_GENERATED)


def differing_files(left: Path, right: Path) -> list[str]:
    """List the files that are in one folder only or differ, relative to them."""
    names = {
        str(path.relative_to(folder))
        for folder in (left, right)
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    _, different, missing = filecmp.cmpfiles(left, right, sorted(names), shallow=False)
    return sorted(different + missing)


def _check() -> None:
    run([VENV_BIN / "buf", "lint"], cwd=_PROTOS)
    run([VENV_BIN / "buf", "format", "--diff", "--exit-code"], cwd=_PROTOS)
    tag = _last_release_tag()
    if tag is None:
        sys.stdout.write("No release tag yet: nothing to be compatible with.\n")
    else:
        against = f"{ROOT / '.git'}#tag={tag},subdir=protos"
        run([VENV_BIN / "buf", "breaking", "--against", against], cwd=_PROTOS)
    with tempfile.TemporaryDirectory() as folder:
        _generate(Path(folder))
        different = differing_files(Path(folder), _GENERATED)
    if different:
        listed = ", ".join(different)
        message = f"protos/gen is stale, run 'make protos': {listed}"
        raise SystemExit(message)


def _generate(into: Path) -> None:
    into.mkdir(parents=True, exist_ok=True)
    sources = sorted(
        path.relative_to(_PROTOS) for path in (_PROTOS / "venturebots").rglob("*.proto")
    )
    outputs = ("python_out", "grpc_python_out", "mypy_out", "mypy_grpc_out")
    run(
        [
            VENV_BIN / "python",
            *("-m", "grpc_tools.protoc", "--proto_path=."),
            *(f"--{output}={into}" for output in outputs),
            *sources,
        ],
        cwd=_PROTOS,
        env=with_venv_on_path(),
    )


def _last_release_tag() -> str | None:
    told = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0", "--match", "v*"],  # noqa: S607 - git is found on PATH
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip() if told.returncode == 0 else None


if __name__ == "__main__":
    main()
