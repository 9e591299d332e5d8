"""Where the product's time and memory go: `python -m benchmarks.profile`.

Prints the tables of `docs/architecture/performance.md`, one measurement after the
other, each on processes of its own.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.measure import measure_cell
from benchmarks.profile.memory import (
    IMPORTS,
    allocations,
    megabytes_by_import,
    trace,
)
from benchmarks.profile.parts import OF_LOOP, OF_WRITER
from benchmarks.profile.stacks import Samples, sampled
from benchmarks.profile.threads import ThreadTimes
from benchmarks.profile.traffic import Relayed, bytes_by_table, written_bytes
from benchmarks.systems import TOKENS, Floor, Product, model_server

_FOUNDERS = 50
_MESSAGES = 5
_FEW_FOUNDERS = 10
_SHOWN = 8
_ROLES: Final = ("gateway", "orchestrator")


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(f"\n### {title}\n")
    print(f"| {' | '.join(heads)} |")
    print("|" + "---|" * len(heads))
    for row in rows:
        print(f"| {' | '.join(row)} |")
    sys.stdout.flush()


async def _threads(model_url: str) -> None:
    """CPU of every thread a message, beside the floor's."""
    found: dict[str, dict[tuple[str, str], float]] = {}
    systems: Sequence[Floor | Product] = (
        Floor(model_url),
        Product(model_url, starts=1),
    )
    for system in systems:
        async with system.running():
            times = ThreadTimes(system.pids)
            cell = await measure_cell(
                system, _FOUNDERS, _MESSAGES, beside=times.measured()
            )
        found[system.name] = {
            (role, thread): seconds * 1_000 / max(1, cell.replies)
            for role, threads in times.seconds.items()
            for thread, seconds in threads.items()
        }
    floor, product = found["floor"], found["product"]
    rows = [
        (
            f"{role}, {thread}",
            *(f"{ms.get((role, thread), 0):.1f}" for ms in (floor, product)),
        )
        for role, thread in sorted(floor.keys() | product.keys())
    ]
    sums = [sum(floor.values()), sum(product.values())]
    rows.append((f"all ({sums[1] / sums[0]:.2f} x)", *(f"{ms:.1f}" for ms in sums)))
    title = f"A message of {TOKENS} tokens, {_FOUNDERS} founders at once: CPU"
    _table(title, ("thread", "floor ms", "product ms"), rows)


async def _stacks(model_url: str, *, is_interpreting: bool) -> dict[str, Samples]:
    found: dict[str, Samples] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with Product(model_url, starts=1).running() as product:
            beside = sampled(
                product.pids, Path(folder), found, is_interpreting=is_interpreting
            )
            await measure_cell(product, _FOUNDERS, _MESSAGES, beside=beside)
    return found


async def _python(model_url: str) -> None:
    """Shares of what the event loops and the store's writer do."""
    found = await _stacks(model_url, is_interpreting=True)
    for role in _ROLES:
        shares = found[role].shares("MainThread", OF_LOOP[role])
        rows = [(name, f"{share:.0%}") for name, share in shares.items()]
        _table(
            f"The {role}'s event loop, holding the interpreter", ("part", "share"), rows
        )
        busiest = found[role].busiest("MainThread", _SHOWN)
        rows = [(f"`{name}`", f"{share:.1%}") for name, share in busiest]
        _table(f"The {role}'s innermost functions", ("function", "share"), rows)
    found = await _stacks(model_url, is_interpreting=False)
    shares = found["gateway"].shares("store-writer", OF_WRITER)
    working = 1 - shares.pop(OF_WRITER[0].name)
    rows = [(name, f"{share / working:.0%}") for name, share in shares.items()]
    _table("The store's writer, when it works", ("part", "share"), rows)


async def _memory(model_url: str) -> None:
    """What is resident after each import, and what memray counts."""
    for role in IMPORTS:
        sizes = megabytes_by_import(role)
        rows = [(name, f"{size:.0f}") for name, size in sizes.items()]
        rows.append(("all", f"{sum(sizes.values()):.0f}"))
        _table(f"The {role}'s resident MB after each import", ("import", "MB"), rows)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare = partial(trace, folder=folder)
        async with Product(model_url, prepare=prepare, starts=1).running() as product:
            cell = await measure_cell(product, _FOUNDERS, _MESSAGES - 1)
        counted = {role: allocations(folder, role) for role in _ROLES}
    counts = [
        (
            role,
            f"{of.peak_mb:.0f}",
            f"{of.total_mb / 1_000:.2f}",
            f"{of.calls / 1e6:.1f}",
            ", ".join(
                f"{who} {size / 1e6:.0f}"
                for who, size in of.bytes_by_package.most_common(_SHOWN)
            ),
        )
        for role, of in counted.items()
    ]
    title = f"memray, from the first import through {cell.replies + _FOUNDERS} messages"
    heads = ("process", "peak MB", "in all, GB", "million calls", "most of it, MB")
    _table(title, heads, counts)


async def _bytes(model_url: str) -> None:
    """Bytes of a message on every wire and in the database."""
    relayed = Relayed(model_url)
    async with relayed.running() as system:
        database = system.product.stack.database
        await measure_cell(system, _FEW_FOUNDERS, 1)
        before = bytes_by_table(database), written_bytes(system.pids["gateway"])
        passed = {name: wire.count() for name, wire in relayed.wires.items()}
        cell = await measure_cell(system, _FEW_FOUNDERS, _MESSAGES)
        tables = bytes_by_table(database) - before[0]
        written = written_bytes(system.pids["gateway"]) - before[1]
    # Sockets are opened and each founder says one more message, to be warm.
    messages = cell.replies + _FEW_FOUNDERS
    rows = [
        (
            name,
            *(
                f"{(now - then) / messages:,.0f}"
                for now, then in zip(wire.count(), passed[name], strict=True)
            ),
        )
        for name, wire in relayed.wires.items()
    ]
    title = f"A message of {TOKENS} tokens: bytes on the wire"
    _table(title, ("wire", "there", "back"), rows)
    rows = [
        (f"`{name}`", f"{size / messages:,.0f}")
        for name, size in tables.most_common(_SHOWN)
    ]
    rows.append(("all tables and indexes", f"{tables.total() / messages:,.0f}"))
    rows.append(("written to the disk, log included", f"{written / messages:,.0f}"))
    _table("A message in the database: bytes", ("table or index", "bytes"), rows)


_MEASUREMENTS: Final[dict[str, Callable[[str], Coroutine[Any, Any, None]]]] = {
    "threads": _threads,
    "python": _python,
    "memory": _memory,
    "bytes": _bytes,
}


async def _measure(names: Sequence[str]) -> None:
    async with model_server() as model_url:
        for name in names:
            await _MEASUREMENTS[name](model_url)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    names = list(_MEASUREMENTS)
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    asyncio.run(_measure(parser.parse_args().only))


if __name__ == "__main__":
    _main()
