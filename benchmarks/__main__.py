"""Measure the product against its own floor: `python -m benchmarks --gate`."""

import argparse
import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.measure import Cell, idle_socket_bytes, import_seconds, measure_cell
from benchmarks.report import gates, table
from benchmarks.systems import Floor, Product, model_server, resident_bytes

_RESULTS = Path(__file__).parent / "results"
_MESSAGES = {10: 4, 50: 3, 200: 2}


@dataclass(slots=True)
class Results:
    """All that one run found out."""

    cells: list[Cell] = field(default_factory=list)
    idle_socket_bytes: dict[str, float] = field(default_factory=dict)
    ready_seconds: dict[str, float] = field(default_factory=dict)
    import_crewai_seconds: float = 0.0
    resident_mb: dict[str, float] = field(default_factory=dict)


async def _measure(sizes: list[int], rounds: int, idle: int) -> Results:
    results = Results(import_crewai_seconds=import_seconds("crewai"))
    async with AsyncExitStack() as running:
        model_url = await running.enter_async_context(model_server())
        floor = await running.enter_async_context(Floor(model_url).running())
        product = await running.enter_async_context(Product(model_url).running())
        results.ready_seconds = product.ready_seconds
        results.resident_mb = {
            role: resident_bytes(pid) / 1e6 for role, pid in product.pids.items()
        }
        if idle:
            for system in (floor, product):
                cost = await idle_socket_bytes(system, idle)
                results.idle_socket_bytes[system.name] = cost
        for founders in sizes:
            messages = _MESSAGES.get(founders, 2)
            for number in range(rounds):
                pair = (floor, product) if number % 2 == 0 else (product, floor)
                for system in pair:
                    results.cells.append(await measure_cell(system, founders, messages))
                    print(table(results.cells[-1:]).splitlines()[-1], file=sys.stderr)
    return results


def _print(results: Results) -> bool:
    print(table(results.cells))
    for system, cost in results.idle_socket_bytes.items():
        print(f"idle socket, {system}: {cost / 1_000:.1f} kB")
    ready = results.ready_seconds.get("orchestrator", 0.0)
    bare = results.import_crewai_seconds
    print(f"orchestrator ready in {ready:.1f} s; bare `import crewai` {bare:.1f} s")
    print(f"gateway ready in {results.ready_seconds.get('gateway', 0.0):.1f} s")
    for role, size in results.resident_mb.items():
        print(f"{role}, warm and idle: {size:.0f} MB")
    checked = gates(results.cells, results.idle_socket_bytes)
    for gate in checked:
        verdict = "met" if gate.is_met else "NOT MET"
        print(f"gate: {gate.name}: {gate.value:.2f} (must be {gate.limit}): {verdict}")
    return all(gate.is_met for gate in checked)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--founders", type=int, nargs="*", default=[10, 50, 200])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--idle", type=int, default=500, help="idle sockets; 0: none")
    parser.add_argument("--gate", action="store_true", help="fail beyond a gate")
    given = parser.parse_args()
    results = asyncio.run(_measure(given.founders, given.rounds, given.idle))
    are_gates_met = _print(results)
    name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + ".json"
    path = _RESULTS / name
    path.write_text(json.dumps(asdict(results), indent=1) + "\n", "utf-8")
    print(f"written: {path}")
    if given.gate and not are_gates_met:
        raise SystemExit(1)


if __name__ == "__main__":
    _main()
