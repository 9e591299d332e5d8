"""Drift is found, builds are left out when nothing changed."""

import os
from pathlib import Path

from libs.toolchain.page import is_page_current
from libs.toolchain.protos import differing_files


def test_files_that_differ_or_are_missing_on_either_side_are_named(
    tmp_path: Path,
) -> None:
    left, right = tmp_path / "left", tmp_path / "right"
    for folder, name, text in (
        (left, "same.py", "1"),
        (right, "same.py", "1"),
        (left, "changed.py", "1"),
        (right, "changed.py", "2"),
        (left, "v1/only_left.py", "1"),
        (right, "only_right.py", "1"),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    assert differing_files(left, right) == [
        "changed.py",
        "only_right.py",
        "v1/only_left.py",
    ]


def test_a_page_is_current_until_a_source_is_newer(tmp_path: Path) -> None:
    source, built = tmp_path / "src" / "main.tsx", tmp_path / "dist" / "index.html"
    for path in (source, built):
        path.parent.mkdir()
        path.write_text("")
    os.utime(source, (100, 100))
    os.utime(built, (200, 200))
    assert is_page_current(tmp_path, built=built)

    os.utime(source, (300, 300))

    assert not is_page_current(tmp_path, built=built)


def test_what_is_installed_or_built_is_no_source(tmp_path: Path) -> None:
    built = tmp_path / "dist" / "index.html"
    for path in (built, tmp_path / "node_modules" / "react.js"):
        path.parent.mkdir()
        path.write_text("")
    os.utime(built, (200, 200))

    assert is_page_current(tmp_path, built=built)


def test_a_page_that_was_never_built_is_not_current(tmp_path: Path) -> None:
    assert not is_page_current(tmp_path, built=tmp_path / "dist" / "index.html")
