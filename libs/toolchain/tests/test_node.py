"""Which Node is taken, and how the project's own is found."""

import os
from pathlib import Path

import pytest

from libs.toolchain.node import machine_has_node
from libs.toolchain.paths import VENV_BIN


def _put_node(folder: Path, version: str) -> None:
    for name in ("node", "npm"):
        program = folder / name
        program.write_text(f"#!/bin/sh\necho {version}\n")
        program.chmod(0o755)


@pytest.mark.parametrize(
    ("version", "is_taken"),
    [("v18.20.4", False), ("v20.18.1", False), ("v20.19.0", True), ("v24.1.0", True)],
)
def test_a_node_is_taken_when_it_is_recent_enough(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_taken: bool
) -> None:
    _put_node(tmp_path, version)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert machine_has_node() is is_taken


def test_a_machine_without_npm_has_no_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put_node(tmp_path, "v24.1.0")
    (tmp_path / "npm").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))

    assert not machine_has_node()


def test_the_projects_own_node_is_not_the_machines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", os.pathsep.join([str(VENV_BIN), str(tmp_path)]))

    assert not machine_has_node()
