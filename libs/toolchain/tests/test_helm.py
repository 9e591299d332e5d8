"""Every line of Helm on a machine is found."""

from pathlib import Path

import pytest

from libs.toolchain.helm import find_helms


def _helm(path: Path, version: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin on a machine without any."""
    monkeypatch.setenv("PATH", f"{tmp_path}/a:{tmp_path}/b")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TESTBED_CACHE", raising=False)
    monkeypatch.delenv("HELM", raising=False)


def test_a_second_line_may_be_behind_the_first_on_path(tmp_path: Path) -> None:
    first = _helm(tmp_path / "a" / "helm", "v4.3.1+gabc")
    second = _helm(tmp_path / "b" / "helm", "v3.22.0+gdef")

    assert find_helms() == {4: first, 3: second}
    assert next(iter(find_helms())) == 4


def test_one_that_is_named_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _helm(tmp_path / "a" / "helm", "v4.3.1")
    named = _helm(tmp_path / "elsewhere", "v4.0.0")
    monkeypatch.setenv("HELM", str(named))

    assert find_helms() == {4: named}


@pytest.mark.parametrize("folder", ["cache/testbed", "other"])
def test_the_test_clusters_own_are_found_where_it_keeps_them(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if folder == "other":
        monkeypatch.setenv("TESTBED_CACHE", str(tmp_path / folder))
    built = tmp_path / folder / "bin"
    helms = {4: _helm(built / "helm", "v4.3.1"), 3: _helm(built / "helm3", "v3.22.0")}

    assert find_helms() == helms


def test_what_is_no_helm_is_none(tmp_path: Path) -> None:
    _helm(tmp_path / "a" / "helm", "something else")

    assert find_helms() == {}
