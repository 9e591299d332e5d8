"""Dockerfiles and compose files say the same as the project does."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.architecture.sources import ROOT, files, text_of

_VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
_DOCKERFILES = [path for path in files() if path.name == "Dockerfile"]
_COMPOSE = Path("docker-compose.yml")


@pytest.mark.parametrize("path", _DOCKERFILES, ids=str)
def test_a_dockerfile_is_built_from_named_bases_and_carries_the_version(
    path: Path,
) -> None:
    text = text_of(path)

    assert re.findall(r"^ARG VERSION=(.*)$", text, re.MULTILINE) == [_VERSION]
    stages = re.findall(r"^FROM (\S+)(?: AS (\S+))?$", text, re.MULTILINE)
    assert {base for base, _ in stages} <= {
        *("${BASE_IMAGE}", "${BUILD_IMAGE}"),
        *(name for _, name in stages),
    }
    # It would be fetched from a registry, which not every machine reaches.
    assert "# syntax=" not in text


def test_compose_starts_the_images_of_this_version() -> None:
    services = yaml.safe_load(text_of(_COMPOSE))["services"]
    images = {name: service["image"] for name, service in services.items()}

    assert {image.partition(":")[2] for image in images.values()} == {
        f"${{VB_IMAGE_TAG:-{_VERSION}}}"
    }


def test_what_compose_reads_by_itself_only_watches() -> None:
    services = yaml.safe_load(text_of(Path("docker-compose.override.yml")))["services"]

    assert {key for service in services.values() for key in service} == {"develop"}
    watched = [
        rule["path"]
        for service in services.values()
        for rule in service["develop"]["watch"]
    ]
    assert [path for path in watched if not (ROOT / path).exists()] == []
