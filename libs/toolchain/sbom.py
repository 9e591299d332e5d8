"""Write what is in the images, as CycloneDX (`make sbom`): var/sbom/<image>.cdx.json.

Read from the locks the images are built from, which is what was installed: a test
of the images compares. The packages of a base image are its publisher's to tell.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from libs.toolchain.paths import FRONTEND, ROOT, VENV_BIN, with_venv_on_path

__all__ = ["LOCKS", "Bill", "in_image", "without_tools", "write_bills"]

LOCKS = {"api-gateway": "gateway", "orchestrator": "orchestrator-image"}
"""The lock that each image with Python is built from."""

type Bill = dict[str, Any]
"""A decoded CycloneDX document, or a part of it."""

_NPM_SBOM = ("npm", "sbom", "--sbom-format=cyclonedx", "--package-lock-only")
_DEVELOPMENT = "cdx:npm:package:development"
_FOLDER = ROOT / "var" / "sbom"
_IMAGE = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": os.uname().machine,
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.13.0",
    "python_version": "3.13",
    "sys_platform": "linux",
}


def write_bills(folder: Path = _FOLDER) -> None:
    """Write one bill of materials for each image."""
    folder.mkdir(parents=True, exist_ok=True)
    for image, lock in LOCKS.items():
        bill = folder / f"{image}.cdx.json"
        _write_python(bill, ROOT / "requirements" / f"{lock}.txt")
    _write_page(folder / "frontend.cdx.json")


def in_image(lock: str) -> str:
    """Leave out of a lock what its markers keep from Linux and its comments."""
    joined = lock.replace("\\\n", " ").splitlines()
    lines = [line for line in joined if line and not line.lstrip().startswith("#")]
    return "\n".join(line for line in lines if _is_installed(line)) + "\n"


def _is_installed(line: str) -> bool:
    marker = Requirement(line.partition(" --hash=")[0]).marker
    return marker is None or marker.evaluate(_IMAGE)


def without_tools(bill: Bill) -> Bill:
    """Leave out of the page's bill what only its development needs."""
    tools = {each["bom-ref"] for each in bill["components"] if _is_tool(each)}
    kept = [each for each in bill["components"] if each["bom-ref"] not in tools]
    dependencies = [
        each | {"dependsOn": [ref for ref in each["dependsOn"] if ref not in tools]}
        for each in bill["dependencies"]
        if each["ref"] not in tools
    ]
    return bill | {"components": kept, "dependencies": dependencies}


def _is_tool(component: Bill) -> bool:
    told = {each["name"] for each in component.get("properties", [])}
    return _DEVELOPMENT in told


def _write_python(bill: Path, lock: Path) -> None:
    words: list[str | Path] = [
        *(VENV_BIN / "cyclonedx-py", "requirements", "-", "--output-reproducible"),
        *("--pyproject", ROOT / "pyproject.toml"),
        *("--output-file", bill),
    ]
    # It warns that a lock does not tell who needs whom.
    quiet = {**os.environ, "PYTHONWARNINGS": "ignore::UserWarning"}
    listed = in_image(lock.read_text())
    subprocess.run(words, input=listed, env=quiet, text=True, check=True)


def _write_page(path: Path) -> None:
    # Its own --omit=dev also leaves out what a tool needs besides the page.
    told = subprocess.run(
        _NPM_SBOM,
        cwd=FRONTEND,
        env=with_venv_on_path(),
        stdout=subprocess.PIPE,
        check=True,
    )
    bill = without_tools(json.loads(told.stdout))
    path.write_text(json.dumps(bill, indent=2) + "\n")


if __name__ == "__main__":
    write_bills()
