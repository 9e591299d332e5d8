"""Which Python a bare machine gives the project."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_SCRIPT = Path(__file__).parents[1] / "find_python.sh"
_TOO_OLD = "#!/bin/sh\nexit 1\n"


def _find(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    shell = shutil.which("sh")
    assert shell is not None
    return subprocess.run(
        [shell, str(_SCRIPT)],
        env={"PATH": str(folder), "HOME": os.environ["HOME"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def _put(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def test_a_named_python_comes_first(tmp_path: Path) -> None:
    found = _find(tmp_path, PYTHON=sys.executable)

    assert found.stdout.strip() == sys.executable


def test_one_on_the_path_is_found_past_one_that_does_not_fit(tmp_path: Path) -> None:
    _put(tmp_path / "python3.13", _TOO_OLD)
    _put(tmp_path / "python3", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')

    found = _find(tmp_path)

    assert Path(found.stdout.strip()).resolve() == Path(sys.executable).resolve()


def test_uv_is_asked_when_no_python_fits(tmp_path: Path) -> None:
    _put(tmp_path / "python3", _TOO_OLD)
    _put(tmp_path / "uv", '#!/bin/sh\necho "uv was asked: $1 $4 $5"\n')

    assert _find(tmp_path).stdout == "uv was asked: run --python 3.13\n"


def test_a_machine_without_any_is_told_what_to_do(tmp_path: Path) -> None:
    found = _find(tmp_path)

    assert found.returncode == 1
    assert "PYTHON=" in found.stderr
    assert "uv" in found.stderr
