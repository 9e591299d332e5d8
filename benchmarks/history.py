"""What earlier runs measured: one line of JSON a run, kept in the repository."""

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["PATH", "Run", "append", "compared", "read"]

PATH = Path(__file__).with_name("history.jsonl")


@dataclass(frozen=True, slots=True)
class Run:
    """A run's figures by name, the commit it measured and when (UTC)."""

    at: str
    commit: str
    figures: Mapping[str, float]


def append(figures: Mapping[str, float], path: Path = PATH) -> Run:
    """Add this run as the last line."""
    run = Run(
        at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        commit=_commit(),
        figures={name: round(value, 3) for name, value in figures.items()},
    )
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(run)) + "\n")
    return run


def read(path: Path = PATH) -> list[Run]:
    """Every run that was kept, oldest first."""
    if not path.exists():
        return []
    return [Run(**json.loads(line)) for line in path.read_text("utf-8").splitlines()]


def compared(runs: Sequence[Run]) -> str:
    """The last run's figures beside those of the run before it and the first."""
    last = runs[-1]
    columns = [("now", last)]
    if len(runs) > 1:
        columns += [(f"before ({runs[-2].commit})", runs[-2])]
        columns += [(f"first ({runs[0].commit})", runs[0])]
    lines = [f"{'':52}" + "".join(f"{title:>20}" for title, _ in columns)]
    for name in last.figures:
        values = (run.figures.get(name) for _, run in columns)
        cells = ("" if value is None else f"{value:.2f}" for value in values)
        lines.append(f"{name:52}" + "".join(f"{cell:>20}" for cell in cells))
    return "\n".join(lines)


def _commit() -> str:
    """The short name of what is measured; `+` when the tree differs from it."""
    words = ("git", "describe", "--always", "--dirty=+", "--exclude=*")
    described = subprocess.run(
        words, cwd=PATH.parent, capture_output=True, text=True, check=False
    )
    return described.stdout.strip() or "unknown"
