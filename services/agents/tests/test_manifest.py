"""Manifests tell the truth about their packages."""

import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.agents.coaching_assistant.tools import PainField, PainGaps, pain_gaps
from services.agents.manifest import build_manifest, main, manifest_path
from services.agents.registry import agent_packages, installed_tools


@pytest.mark.parametrize("package", agent_packages())
def test_checked_in_manifest_is_what_the_package_offers(package: str) -> None:
    stored = json.loads(manifest_path(package).read_text(encoding="utf-8"))
    assert stored == build_manifest(package)
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", stored["digest"])


def test_every_folder_beside_the_registry_is_an_agent_package() -> None:
    root = Path(__file__).parents[1]
    folders = {
        path.name
        for path in root.iterdir()
        if path.is_dir() and path.name not in {"tests", "__pycache__"}
    }
    assert {package.rpartition(".")[2] for package in agent_packages()} == folders


def test_check_finds_nothing_stale() -> None:
    assert main(["--check"]) == 0


def test_every_tool_describes_each_argument_to_the_model() -> None:
    for tool in installed_tools().values():
        for name, field in tool.arguments.model_fields.items():
            assert field.description, f"{tool.name}.{name}"


def test_pain_gaps_asks_for_the_first_unknown_field() -> None:
    text = pain_gaps(PainGaps(known=[PainField.DESCRIPTION]))
    assert "description" not in text
    assert "Did it happen to you" in text
    assert "Everything" in pain_gaps(PainGaps(known=list(PainField)))


def test_unknown_arguments_are_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        PainGaps.model_validate({"known": [], "surprise": 1})
