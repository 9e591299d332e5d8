"""What an operation costs as a database grows: `python -m benchmarks.growth`."""

import argparse
import asyncio
import math
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.growth.load import load
from benchmarks.growth.operations import (
    COMPACTION,
    SEARCH_IN_ALL_SESSIONS,
    Costs,
    measure,
)

_SIZES = (10, 1_000, 10_000)
_FULL_SIZES = (10, 1_000, 100_000)
_MOST_GROWTH = 3.0
_LIMITS = {
    # What a founder reads costs what is read, whatever else there is.
    "open": 1.5,
    "history page": 1.5,
    "replay page": 1.5,
    # Reads pages that nobody else does, in the background.
    COMPACTION: 6.0,
    # Grows with what one founder has said, not with the database.
    SEARCH_IN_ALL_SESSIONS: math.inf,
}


def _row(name: str, cells: list[str]) -> str:
    return f"{name:<26}" + "".join(f"{cell:>14}" for cell in cells)


def _print_table(sizes: list[int], found: list[Costs]) -> list[str]:
    """Print all figures; returns the operations whose cost grew too much."""
    print(_row("sessions", [f"{size:,}" for size in sizes]))
    print(_row("events", [f"{costs.events:,}" for costs in found]))
    grown = []
    print("\nCPU µs per operation (median µs until it was answered)")
    for name in found[0].cpu_us:
        cells = [
            f"{costs.cpu_us[name]:,.0f} ({costs.wall_us[name]:,.0f})"
            if name in costs.wall_us
            else f"{costs.cpu_us[name]:,.1f}"
            for costs in found
        ]
        growth = found[-1].cpu_us[name] / found[0].cpu_us[name]
        print(_row(name, [*cells, f"{growth:.2f} x"]))
        most = _LIMITS.get(name, _MOST_GROWTH)
        if growth > most:
            grown.append(f"{name}: {growth:.2f} x, must be {most} x at most")
    print("\nseconds")
    for name in found[0].seconds:
        print(_row(name, [f"{costs.seconds[name]:,.3f}" for costs in found]))
    print("\nMB, of the checker at its largest")
    print(_row("verify", [f"{costs.verify_megabytes:,.0f}" for costs in found]))
    return grown


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="up to 10 million events")
    parser.add_argument("--sessions", type=int, nargs="*", help="other sizes")
    given = parser.parse_args()
    sizes = list(given.sessions or (_FULL_SIZES if given.full else _SIZES))
    found = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="growth-") as folder:
            began = time.perf_counter()
            loaded = load(Path(folder) / "venturebots.db", size)
            took = time.perf_counter() - began
            told = f"{size:,} sessions, {loaded.events:,} events in {took:.0f} s"
            print(told, file=sys.stderr)
            found.append(asyncio.run(measure(loaded)))
    grown = _print_table(sizes, found)
    if grown:
        raise SystemExit("\n".join(grown))


if __name__ == "__main__":
    _main()
