"""What agent packages offer, from their checked-in manifests."""

import json
from collections.abc import Mapping
from pathlib import Path

__all__ = ["PackageTools", "read_packages"]

PackageTools = Mapping[str, frozenset[str]]
"""Names of registered tools by package."""


def read_packages(root: Path) -> PackageTools:
    """Read `<package>/manifest.json` below a directory.

    Raises OSError or ValueError when a manifest cannot be read: it is part of
    the product, not of its configuration.
    """
    packages: dict[str, frozenset[str]] = {}
    for manifest in sorted(root.glob("*/manifest.json")):
        content = json.loads(manifest.read_text("utf-8"))
        names = frozenset(tool["name"] for tool in content["tools"])
        packages[content["package"]] = names
    return packages
