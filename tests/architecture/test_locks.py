"""The locks pin everything, agree with each other and name no address."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, files

_PIN = re.compile(r"^(?P<name>[a-z0-9._-]+)(?:\[[^]]+\])?==(?P<version>[^ ;\\]+)")
_NAME = re.compile(r"^[a-z0-9._-]+")
_LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
_PAGE_LOCKS = [path for path in files() if path.name == "package-lock.json"]


def _pins(lock: Path) -> dict[str, str]:
    matches = (_PIN.match(line) for line in lock.read_text().splitlines())
    return {found["name"]: found["version"] for found in matches if found}


@pytest.mark.parametrize("lock", _LOCKS, ids=lambda lock: lock.stem)
def test_every_requirement_is_pinned_with_hashes(lock: Path) -> None:
    blocks = re.split(r"\n(?=[a-z0-9])", lock.read_text().strip())
    requirements = [block for block in blocks if not block.startswith("#")]

    assert requirements
    assert [
        block.splitlines()[0]
        for block in requirements
        if not _PIN.match(block) or "--hash=sha256:" not in block
    ] == []


@pytest.mark.parametrize("lock", _LOCKS, ids=lambda lock: lock.stem)
def test_no_lock_names_an_address(lock: Path) -> None:
    text = lock.read_text()

    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text


@pytest.mark.parametrize(
    "service", ["gateway", "operator", "orchestrator", "orchestrator-image"]
)
def test_the_lock_of_a_service_follows_the_one_of_development(service: str) -> None:
    development = _pins(ROOT / "requirements" / "dev.txt")
    pins = _pins(ROOT / "requirements" / f"{service}.txt")

    assert pins
    assert {
        name: (version, development.get(name))
        for name, version in pins.items()
        if development.get(name) != version
    } == {}


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("dev", ("gateway", "operator", "orchestrator", "cli", "dev")),
        ("gateway", ("gateway",)),
        ("operator", ("operator",)),
        ("orchestrator", ("orchestrator",)),
        ("orchestrator-image", ("orchestrator",)),
    ],
)
def test_a_lock_holds_all_that_the_project_asks_for(
    lock: str, extras: tuple[str, ...]
) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    asked = [
        *project["dependencies"],
        *(one for name in extras for one in optional[name]),
    ]
    names = {name for requirement in asked for name in _NAME.findall(requirement)}

    assert names - set(_pins(ROOT / "requirements" / f"{lock}.txt")) == set()


@pytest.mark.parametrize("lock", _PAGE_LOCKS, ids=str)
def test_the_locks_of_the_page_hold_digests_and_no_address(lock: Path) -> None:
    packages = json.loads((ROOT / lock).read_text())["packages"]
    installed = {name: entry for name, entry in packages.items() if name}

    assert installed
    assert [name for name, entry in installed.items() if "resolved" in entry] == []
    assert [
        name
        for name, entry in installed.items()
        if "integrity" not in entry and not entry.get("inBundle")
    ] == []


def test_the_orchestrators_image_lacks_what_is_left_out_on_purpose() -> None:
    left_out = (ROOT / "requirements" / "orchestrator-image.in").read_text()
    names = {line for line in left_out.splitlines() if not line.startswith("#")}
    everything = _pins(ROOT / "requirements" / "orchestrator.txt")

    assert names <= set(everything)
    assert names & set(_pins(ROOT / "requirements" / "orchestrator-image.txt")) == set()
