"""A chart's values.yaml as its readers see it: keys, comments, defaults.

The comment above a key describes it. A line `# @schema …` in it, JSON, bounds what
the key may hold beyond the type of its default.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

__all__ = ["Value", "read_values"]

_MARK = "@schema "


@dataclass(frozen=True, slots=True)
class Value:
    """One key: its place, its default, what is said of it, and the keys below it."""

    path: tuple[str, ...]
    default: Any
    description: str
    schema: Any
    children: tuple["Value", ...]

    @property
    def name(self) -> str:
        """The key itself."""
        return self.path[-1]

    def leaves(self) -> Iterator["Value"]:
        """Walk what holds values, rather than further keys."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()


def read_values(path: Path) -> tuple[Value, ...]:
    """Read the keys of a values.yaml in their order."""
    text = path.read_text("utf-8")
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    return _children(node, yaml.safe_load(text), text.splitlines(), ())


def _children(
    node: yaml.Node | None, loaded: object, lines: list[str], parent: tuple[str, ...]
) -> tuple[Value, ...]:
    if not isinstance(node, yaml.MappingNode) or not isinstance(loaded, dict):
        return ()
    found: list[Value] = []
    for key, held in node.value:
        path = (*parent, str(key.value))
        description, schema = _comment_above(lines, key.start_mark.line)
        is_free = schema is not None and schema != "settings"
        default = loaded[key.value]
        below = () if is_free else _children(held, default, lines, path)
        found.append(Value(path, default, description, schema, below))
    return tuple(found)


def _comment_above(lines: list[str], line: int) -> tuple[str, Any]:
    """Return what a comment says, and the schema in it."""
    indent = len(lines[line]) - len(lines[line].lstrip())
    prefix = " " * indent + "# "
    said: list[str] = []
    schema: Any = None
    for above in reversed(lines[:line]):
        if not above.startswith(prefix):
            break
        words = above.removeprefix(prefix)
        if words.startswith(_MARK):
            schema = json.loads(words.removeprefix(_MARK))
        else:
            said.insert(0, words.strip())
    return " ".join(said), schema
