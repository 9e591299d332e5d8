"""What is in the images, and what is not."""

import json
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from libs.testing.stack import REPOSITORY
from libs.toolchain.sbom import LOCKS, in_image, write_bills
from tests.figures import figure
from tests.images.composition import docker
from tests.images.conftest import Service

pytestmark = pytest.mark.timeout(600)

_MEGABYTE = 1_000_000
_LARGEST_MB = {Service.FRONTEND: 20, Service.GATEWAY: 200, Service.ORCHESTRATOR: 450}
_LABEL = "org.opencontainers.image."
_PYTHON = (Service.GATEWAY, Service.ORCHESTRATOR)
_BUILD_TOOLS = ("gcc", "cc", "make", "g++", "git", "uv", "node", "npm")
_KNOWN_PARTS = {
    Service.FRONTEND: "react",
    Service.GATEWAY: "fastapi",
    Service.ORCHESTRATOR: "crewai",
}
_PACKAGES = """
import json, sysconfig
from importlib.metadata import distributions
found = distributions(path=[sysconfig.get_path("purelib")])
print(json.dumps([[each.name, each.version] for each in found]))
"""
_ABSENT = """
import importlib.util, json, shutil, sys
tools, modules = json.loads(sys.argv[1])
print(json.dumps([
    [name for name in tools if shutil.which(name)],
    [name for name in modules if importlib.util.find_spec(name)],
]))
"""


async def _inspected(image: str) -> dict[str, Any]:
    (seen,) = json.loads(await docker("image", "inspect", image))
    assert isinstance(seen, dict)
    return seen


async def _run(image: str, *words: str) -> str:
    confined = ("--read-only", "--cap-drop", "ALL", "--network", "none")
    return await docker("run", "--rm", *confined, "--tmpfs", "/tmp", image, *words)  # noqa: S108 - in its container


@pytest.mark.parametrize("service", Service)
async def test_an_image_adds_little_to_its_base(
    images: dict[str, str], service: Service
) -> None:
    seen = await _inspected(images[service])
    base = await _inspected(
        seen["Config"]["Labels"]["org.opencontainers.image.base.name"]
    )
    added = (seen["Size"] - base["Size"]) / _MEGABYTE
    figure(f"image {service}: {added:.0f} MB above its base")

    assert 0 < added <= _LARGEST_MB[service]


@pytest.mark.parametrize("service", Service)
async def test_an_image_says_what_it_is_and_runs_as_nobody(
    images: dict[str, str], service: Service
) -> None:
    settings = (await _inspected(images[service]))["Config"]

    assert settings["User"] == "65532:65532"
    assert settings["Healthcheck"]["Test"][0] == "CMD"
    for name in ("title", "description", "licenses", "version", "revision"):
        assert settings["Labels"][_LABEL + name]


@pytest.mark.parametrize("service", _PYTHON)
async def test_nothing_is_in_an_image_that_only_builds_or_tests(
    images: dict[str, str], service: Service
) -> None:
    other = ({*_PYTHON} - {service}).pop().replace("-", "_")
    modules = ("pytest", "libs.testing", "libs.toolchain", f"services.{other}")
    asked = json.dumps([_BUILD_TOOLS, modules])

    found = json.loads(await _run(images[service], "python", "-c", _ABSENT, asked))
    tests = await _run(images[service], "find", "/app", "-name", "tests")

    assert found == [[], []]
    assert tests == ""


async def test_nothing_is_in_the_image_of_the_page_that_only_builds(
    images: dict[str, str],
) -> None:
    looking = ("sh", "-c", 'for name; do command -v "$name"; done; true', "sh")

    assert await _run(images[Service.FRONTEND], *looking, *_BUILD_TOOLS) == ""


def test_a_bill_is_written_of_every_image(tmp_path: Path) -> None:
    write_bills(tmp_path)

    bills = {path.name: json.loads(path.read_text()) for path in tmp_path.iterdir()}
    assert sorted(bills) == sorted(f"{service}.cdx.json" for service in Service)
    for service, known in _KNOWN_PARTS.items():
        bill = bills[f"{service}.cdx.json"]
        assert bill["bomFormat"] == "CycloneDX"
        assert known in {each["name"] for each in bill["components"]}
        assert all(each["version"] for each in bill["components"])


@pytest.mark.parametrize("service", _PYTHON)
async def test_the_packages_of_an_image_are_those_of_its_bill(
    images: dict[str, str], service: Service
) -> None:
    listed = in_image((REPOSITORY / f"requirements/{LOCKS[service]}.txt").read_text())
    pins = [Requirement(line.split(" --hash=")[0]) for line in listed.splitlines()]

    found = json.loads(await _run(images[service], "python", "-c", _PACKAGES))

    named = {f"{canonicalize_name(pin.name)}{pin.specifier}" for pin in pins}
    installed = {f"{canonicalize_name(name)}=={each}" for name, each in found}
    assert installed - named == {"venturebots==0.1.0"}
    assert named - installed == set()


@pytest.mark.parametrize("service", _PYTHON)
async def test_code_is_compiled_so_that_a_start_writes_nothing(
    images: dict[str, str], service: Service
) -> None:
    uncompiled = (
        "import importlib.util, pathlib, sys\n"
        "for path in pathlib.Path(sys.argv[1]).rglob('*.py'):\n"
        "    if not pathlib.Path(importlib.util.cache_from_source(path)).exists():\n"
        "        print(path)"
    )

    assert await _run(images[service], "python", "-c", uncompiled, "/app") == ""


async def test_settings_are_refused_by_name(images: dict[str, str]) -> None:
    confined = ("--read-only", "--env", "VB_GATEWAY_PROT=1")

    with pytest.raises(AssertionError, match="VB_GATEWAY_PROT is not a setting"):
        await docker("run", "--rm", *confined, images[Service.GATEWAY])
