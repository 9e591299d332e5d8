"""What agent packages offer, from their checked-in manifests."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from libs.crewspec.revision import Revision

__all__ = ["AgentPackage", "Packages", "packages_needed", "read_packages"]


@dataclass(frozen=True, slots=True)
class AgentPackage:
    """Names of the tools and of the output schemas a package registers.

    `digest` is the manifest's own: it changes with any of their schemas.
    """

    tools: frozenset[str]
    outputs: frozenset[str] = frozenset()
    digest: str = ""


Packages = Mapping[str, AgentPackage]
"""What is offered, by package."""


def read_packages(root: Path) -> Packages:
    """Read `<package>/manifest.json` below a directory.

    Raises OSError or ValueError when a manifest cannot be read: it is part of
    the product, not of its configuration.
    """
    packages: dict[str, AgentPackage] = {}
    for manifest in sorted(root.glob("*/manifest.json")):
        content = json.loads(manifest.read_text("utf-8"))
        packages[content["package"]] = AgentPackage(
            tools=frozenset(tool["name"] for tool in content["tools"]),
            outputs=frozenset(output["name"] for output in content["outputs"]),
            digest=content["digest"],
        )
    return packages


def packages_needed(revision: Revision, packages: Packages) -> dict[str, str]:
    """Return the digests of the packages a revision needs, by name.

    Those are the packages its agents name and those that offer an output schema one
    of its tasks names; one that is not among `packages` has an empty digest.
    """
    named = {agent.package for agent in revision.agents.values() if agent.package}
    outputs = {task.output_ref for task in revision.crew.tasks if task.output_ref}
    named |= {name for name, known in packages.items() if known.outputs & outputs}
    return {
        name: packages[name].digest if name in packages else ""
        for name in sorted(named)
    }
