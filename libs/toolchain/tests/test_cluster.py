"""Which cluster is used where."""

from pathlib import Path

import pytest

from libs.toolchain.cluster import Platform, chosen_platform


def _program(folder: Path, name: str, *, status: int) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\nexit {status}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("statuses", "platform"),
    [
        ({"kind": 0, "docker": 0}, Platform.KIND),
        ({"kind": 0, "docker": 1}, Platform.TESTBED),
        ({"docker": 0}, Platform.TESTBED),
        ({}, Platform.TESTBED),
    ],
)
def test_kind_is_used_where_it_and_docker_answer(
    statuses: dict[str, int],
    platform: Platform,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, status in statuses.items():
        _program(tmp_path, name, status=status)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert chosen_platform({}) is platform


def test_the_environment_may_choose() -> None:
    assert chosen_platform({"VB_CLUSTER": "testbed"}) is Platform.TESTBED
    assert chosen_platform({"VB_CLUSTER": "kind"}) is Platform.KIND
