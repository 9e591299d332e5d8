"""The files of the definitions follow the models."""

from pathlib import Path

import pytest
import yaml

from libs.crewspec.crds import RESOURCES, definition
from libs.toolchain.crds import generate


def test_what_is_written_is_what_was_defined(tmp_path: Path) -> None:
    generate(tmp_path, is_check=False)
    written = {path.stem: path.read_text("utf-8") for path in tmp_path.iterdir()}
    assert {name: yaml.safe_load(text) for name, text in written.items()} == {
        one.plural: definition(one) for one in RESOURCES
    }
    assert all(text.startswith("# Generated") for text in written.values())


def test_stale_files_are_named_and_put_right(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"agents\.yaml, crewrevisions\.yaml"):
        generate(tmp_path, is_check=True)
    generate(tmp_path, is_check=False)
    generate(tmp_path, is_check=True)

    (tmp_path / "crews.yaml").write_text("by hand", "utf-8")
    (tmp_path / "sessions.yaml").write_text("of a kind that is gone", "utf-8")

    with pytest.raises(SystemExit, match=r": crews\.yaml, sessions\.yaml; run"):
        generate(tmp_path, is_check=True)
    generate(tmp_path, is_check=False)
    generate(tmp_path, is_check=True)
    assert len([*tmp_path.iterdir()]) == len(RESOURCES)
