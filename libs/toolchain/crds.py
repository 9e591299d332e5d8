"""Write the chart of the CustomResourceDefinitions from the models (`make crds`).

With `--check`, nothing is written: the program fails when a file is stale.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, override

import yaml

from libs.crewspec.crds import RESOURCES, definition
from libs.toolchain.charts import CHARTS

__all__ = ["generate", "main"]

_TEMPLATES: Final = CHARTS / "venturebots-crds" / "templates"
_MARK: Final = "# Generated from libs/crewspec by `make crds`.\n"
_WIDTH: Final = 100


def main() -> None:
    """Write the files, or check them when called with `--check`."""
    generate(_TEMPLATES, is_check="--check" in sys.argv[1:])


def generate(folder: Path, *, is_check: bool) -> None:
    """Have a folder hold the definitions and nothing else.

    Raises SystemExit that names what is stale when it is only to be checked.
    """
    wanted = {
        f"{resource.plural}.yaml": _MARK + _written(definition(resource))
        for resource in RESOURCES
    }
    there = {path.name: path.read_text("utf-8") for path in folder.glob("*.yaml")}
    stale = sorted({name for name, _ in {*wanted.items()} ^ {*there.items()}})
    if is_check and stale:
        message = f"stale in {folder}: {', '.join(stale)}; run 'make crds'"
        raise SystemExit(message)
    for name in stale:
        if name in wanted:
            (folder / name).write_text(wanted[name], "utf-8")
        else:
            (folder / name).unlink()


def _written(manifest: Mapping[str, Any]) -> str:
    text: str = yaml.dump(
        manifest, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH
    )
    if "{{" in text:
        message = f"Helm would read '{{{{' in {manifest['metadata']['name']}"
        raise SystemExit(message)
    return text


class _Dumper(yaml.SafeDumper):
    """Repeats what occurs twice."""

    @override
    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


if __name__ == "__main__":
    main()
