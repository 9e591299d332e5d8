"""Measure the product against its own floor: `python -m benchmarks --gate`."""

import argparse
import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks import history
from benchmarks.measure import Cell, idle_socket_bytes, import_seconds, measure_cell
from benchmarks.report import (
    Gate,
    crowd_gates,
    figures,
    gates,
    start_gates,
    table,
)
from benchmarks.systems import (
    TOKENS,
    Floor,
    Product,
    model_server,
    resident_bytes,
)

_RESULTS = Path(__file__).parent / "results"
_MESSAGES = {10: 4, 50: 3, 200: 2}
_FOUNDERS = list(_MESSAGES)
_CROWD = 250
"""More than an orchestrator takes at once."""
_CROWD_TOKENS = 3 * TOKENS
"""So long that all speak before the first has its answer."""


@dataclass(slots=True)
class Results:
    """All that one run found out."""

    cells: list[Cell] = field(default_factory=list)
    crowd: Cell | None = None
    idle_socket_bytes: dict[str, float] = field(default_factory=dict)
    ready_seconds: dict[str, float] = field(default_factory=dict)
    import_crewai_seconds: float = 0.0
    resident_mb: dict[str, float] = field(default_factory=dict)

    def goals(self) -> dict[str, float]:
        """Figures that stand alone."""
        ready = {f"{role} ready, s": s for role, s in self.ready_seconds.items()}
        memory = {f"{role} idle, MB": mb for role, mb in self.resident_mb.items()}
        bare = self.ready_seconds["orchestrator"] / self.import_crewai_seconds
        idle = {
            f"idle socket, {system}, kB": cost / 1_000
            for system, cost in self.idle_socket_bytes.items()
        }
        return ready | {"orchestrator ready / import crewai": bare} | memory | idle

    def gates(self) -> list[Gate]:
        """Figures that must hold."""
        checked = gates(self.cells, self.idle_socket_bytes)
        checked += start_gates(self.ready_seconds)
        return checked + (crowd_gates(self.crowd) if self.crowd else [])


async def _measure(sizes: list[int], rounds: int, idle: int, crowd: int) -> Results:
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
        if crowd:
            results.crowd = await measure_cell(
                product, crowd, messages=1, tokens=_CROWD_TOKENS
            )
    return results


def _print(results: Results) -> bool:
    print(table([*results.cells, *([results.crowd] if results.crowd else [])]))
    for system, cost in results.idle_socket_bytes.items():
        print(f"idle socket, {system}: {cost / 1_000:.1f} kB")
    ready = results.ready_seconds.get("orchestrator", 0.0)
    bare = results.import_crewai_seconds
    print(f"orchestrator ready in {ready:.1f} s; bare `import crewai` {bare:.1f} s")
    print(f"gateway ready in {results.ready_seconds.get('gateway', 0.0):.1f} s")
    for role, size in results.resident_mb.items():
        print(f"{role}, warm and idle: {size:.0f} MB")
    checked = results.gates()
    for gate in checked:
        verdict = "met" if gate.is_met else "NOT MET"
        print(f"gate: {gate.name}: {gate.value:.2f} (must be {gate.limit}): {verdict}")
    return all(gate.is_met for gate in checked)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--founders", type=int, nargs="*", default=_FOUNDERS)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--idle", type=int, default=500, help="idle sockets; 0: none")
    parser.add_argument("--crowd", type=int, default=_CROWD, help="0: none")
    parser.add_argument("--gate", action="store_true", help="fail beyond a gate")
    given = parser.parse_args()
    results = asyncio.run(
        _measure(given.founders, given.rounds, given.idle, given.crowd)
    )
    are_gates_met = _print(results)
    name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + ".json"
    path = _RESULTS / name
    path.write_text(json.dumps(asdict(results), indent=1) + "\n", "utf-8")
    print(f"written: {path}")
    if given.founders == _FOUNDERS:
        told = figures(results.cells, results.gates(), results.goals())
        history.append(told)
        print(history.compared(history.read()))
    if given.gate and not are_gates_met:
        raise SystemExit(1)


if __name__ == "__main__":
    _main()
