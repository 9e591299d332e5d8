"""Output for people, in columns, and for programs, as JSON."""

import json
from collections.abc import Sequence

__all__ = ["print_json", "print_table"]


def print_json(value: object) -> None:
    """Print a value as JSON that people can read too."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their titles, each column as wide as it needs."""
    lines = [titles, *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(titles))]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        print("   ".join(cells).rstrip())
