"""Write the crews that the umbrella chart installs, from configs/.

One custom resource a file, prompt files inlined; `make charts` and `make dev-k8s` call
it. Models that need a key or a server of one's own are left to the chart's values.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from libs.crewspec.loader import load_directory
from libs.crewspec.packages import read_packages
from libs.crewspec.resources import as_resources
from libs.crewspec.validator import validate
from libs.toolchain.paths import ROOT

__all__ = ["CONFIGS", "FOLDER", "default_crews", "main"]

CONFIGS: Final = ROOT / "configs"
"""What they are made of."""
FOLDER: Final = ROOT / "charts" / "venturebots" / "files" / "crews"
"""Where the chart has them."""

_HEADER: Final = "# Generated from configs/ by `make charts`: edit there.\n"
_SHIPPED_MODEL: Final = "Simulated"


def default_crews(configs: Path) -> dict[str, str]:
    """Return the text of every file by its name, `<kind>-<name>.yaml`.

    Raises SystemExit when the documents are not sound.
    """
    packages = read_packages(ROOT / "services" / "agents")
    documents = load_directory(configs)
    if mistakes := validate(documents, packages):
        raise SystemExit("\n".join(str(mistake) for mistake in mistakes))
    return {
        f"{one['kind'].lower()}-{one['metadata']['name']}.yaml": _HEADER + _text(one)
        for one in as_resources(documents)
        if _is_shipped(one)
    }


def main() -> None:
    """Write the files that differ and remove those of documents that are gone."""
    wanted = default_crews(CONFIGS)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in FOLDER.glob("*.yaml"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        path = FOLDER / name
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def _is_shipped(resource: Mapping[str, Any]) -> bool:
    provider: str = resource["spec"].get("provider", _SHIPPED_MODEL)
    return provider == _SHIPPED_MODEL


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as it is read."""


def _scalar(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _scalar)


def _text(document: Mapping[str, Any]) -> str:
    return yaml.dump(
        dict(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=96
    )


if __name__ == "__main__":
    main()
