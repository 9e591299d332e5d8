"""A service in a container follows its code."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.reload import watched_files
from libs.testing.stack import REPOSITORY

_LIMIT_SECONDS = 30
_SERVICE = """
import pathlib, time
with pathlib.Path("starts").open("a") as starts:
    starts.write("WORD\\n")
"""
_STAYS = "time.sleep(600)\n"


def _write(folder: Path, word: str, then: str = _STAYS) -> None:
    package = folder / "services"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").touch()
    arriving = package / "greeter.new"
    arriving.write_text(_SERVICE.replace("WORD", word) + then)
    arriving.replace(package / "greeter.py")


def _await_starts(folder: Path, expected: list[str]) -> None:
    deadline = time.monotonic() + _LIMIT_SECONDS
    starts = folder / "starts"
    while not starts.exists() or starts.read_text().split() != expected:
        assert time.monotonic() < deadline, starts.read_text()
        time.sleep(0.05)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Run a service that writes down each start of it, with its code's word."""
    _write(tmp_path, "first")
    process = subprocess.Popen(
        [sys.executable, "-m", "libs.reload", "services.greeter"],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{REPOSITORY}"},
    )
    _await_starts(tmp_path, ["first"])
    yield tmp_path
    process.send_signal(signal.SIGTERM)
    assert process.wait(_LIMIT_SECONDS) == 0


def test_a_changed_file_starts_the_service_again(folder: Path) -> None:
    _write(folder, "second")

    _await_starts(folder, ["first", "second"])


def test_a_service_that_ended_is_started_by_the_next_change(folder: Path) -> None:
    _write(folder, "second", then="raise SystemExit(1)\n")
    _await_starts(folder, ["first", "second"])

    _write(folder, "third")

    _await_starts(folder, ["first", "second", "third"])


def test_files_that_come_and_go_meanwhile_are_no_failure(tmp_path: Path) -> None:
    (tmp_path / "libs").mkdir()
    draft = tmp_path / "libs" / "draft.py"
    is_enough = threading.Event()

    def come_and_go() -> None:
        while not is_enough.is_set():
            draft.touch()
            draft.unlink()

    coming = threading.Thread(target=come_and_go)
    coming.start()
    try:
        seen = [set(watched_files(tmp_path)) for _ in range(5_000)]
    finally:
        is_enough.set()
        coming.join()

    assert set().union(*seen) == {draft}
