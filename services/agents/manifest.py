"""The checked-in description of an agent package, and the command that writes it.

`python -m services.agents.manifest` writes every `manifest.json` anew; with
`--check` it only says which ones no longer tell the truth.
"""

import argparse
import hashlib
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rfc8785

from services.agents.output import AgentOutput
from services.agents.registry import agent_packages
from services.agents.tool import AgentTool

__all__ = ["build_manifest", "main", "manifest_path"]


def build_manifest(package: str) -> dict[str, Any]:
    """Tools, outputs, their schemas and the prompt variables, with a digest."""
    tools: tuple[AgentTool, ...] = importlib.import_module(f"{package}.tools").TOOLS
    outputs: tuple[AgentOutput, ...] = importlib.import_module(
        f"{package}.outputs"
    ).OUTPUTS
    content: dict[str, Any] = {
        "format": 1,
        "package": package.rpartition(".")[2],
        "prompt_variables": ["message", "summary", "trigger"],
        "tools": [
            {
                "name": tool.name,
                "description": tool.description,
                "input_schema": tool.arguments.model_json_schema(),
            }
            for tool in sorted(tools, key=lambda tool: tool.name)
        ],
        "outputs": [
            {"name": output.name, "schema": output.model.model_json_schema()}
            for output in sorted(outputs, key=lambda output: output.name)
        ],
    }
    digest = hashlib.sha256(rfc8785.dumps(content)).hexdigest()
    return {**content, "digest": f"sha256:{digest}"}


def manifest_path(package: str) -> Path:
    """Where the manifest of a package lies."""
    module = importlib.import_module(package)
    return Path(module.__path__[0]) / "manifest.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check all manifests; 1 when a check finds one stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    options = parser.parse_args(arguments)
    stale = 0
    for package in agent_packages():
        text = json.dumps(build_manifest(package), indent=2) + "\n"
        path = manifest_path(package)
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if options.check:
            sys.stderr.write(f"{path.name} of {package} is stale\n")
            stale += 1
        else:
            path.write_text(text, encoding="utf-8")
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
