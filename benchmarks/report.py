"""The table, the gates and the goals of a benchmark."""

from dataclasses import dataclass
from statistics import median

from benchmarks.measure import Cell

__all__ = ["Gate", "crowd_gates", "figures", "gates", "start_gates", "table"]

_MAX_CPU_RATIO = 2.0
_MIN_THROUGHPUT_RATIO = 0.7
_MAX_IDLE_RATIO = 1.5
_CPU_FOUNDERS = 50
_THROUGHPUT_FOUNDERS = 200
_MAX_GATEWAY_READY_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Gate:
    """A figure that must hold, and whether it does."""

    name: str
    value: float
    limit: str
    is_met: bool


def table(cells: list[Cell]) -> str:
    """Lay the cells out, the floor above the product."""
    lines = [
        "founders system    tok/s  added TTFT ms from send  from ack  CPU ms a message",
        "                          p50      p95      p50      p95",
    ]
    for cell in sorted(cells, key=lambda each: (each.founders, each.system)):
        roles = " ".join(f"{role} {cpu:.1f}" for role, cpu in cell.cpu_by_role.items())
        memory = "+".join(f"{size:.0f}" for size in cell.resident_mb.values())
        lines.append(
            f"{cell.founders:8} {cell.system:8} {cell.tokens_per_second:6.0f}"
            f" {cell.send_p50:7.1f} {cell.send_p95:8.1f}"
            f" {cell.ack_p50:8.1f} {cell.ack_p95:8.1f}"
            f" {cell.cpu_per_message:8.1f} ({roles})"
            f" {memory:>9} {len(cell.positions):6} {len(cell.errors):6}"
        )
    return "\n".join(lines)


def gates(cells: list[Cell], idle_bytes: dict[str, float]) -> list[Gate]:
    """Hold the product against the floor of the same run."""
    found: list[Gate] = []
    cpu = _ratio(cells, _CPU_FOUNDERS, "cpu_per_message")
    if cpu is not None:
        found.append(
            Gate(
                f"CPU per message at {_CPU_FOUNDERS} founders, product / floor",
                cpu,
                f"≤ {_MAX_CPU_RATIO}",
                is_met=cpu <= _MAX_CPU_RATIO,
            )
        )
    speed = _ratio(cells, _THROUGHPUT_FOUNDERS, "tokens_per_second")
    if speed is not None:
        found.append(
            Gate(
                f"tok/s at {_THROUGHPUT_FOUNDERS} founders, product / floor",
                speed,
                f"≥ {_MIN_THROUGHPUT_RATIO}",
                is_met=speed >= _MIN_THROUGHPUT_RATIO,
            )
        )
    errors = sum(len(cell.errors) for cell in cells)
    found.append(Gate("errors and wrong words", errors, "0", is_met=errors == 0))
    if idle_bytes.get("floor", 0) > 0:
        idle = idle_bytes["product"] / idle_bytes["floor"]
        found.append(
            Gate(
                "memory of an idle socket, product / floor",
                idle,
                f"≤ {_MAX_IDLE_RATIO}",
                is_met=idle <= _MAX_IDLE_RATIO,
            )
        )
    return found


def start_gates(ready_seconds: dict[str, float]) -> list[Gate]:
    """Hold a start to what somebody waits for it."""
    seconds = ready_seconds["gateway"]
    return [
        Gate(
            "gateway ready, s, the best of some starts",
            seconds,
            f"≤ {_MAX_GATEWAY_READY_SECONDS}",
            is_met=seconds <= _MAX_GATEWAY_READY_SECONDS,
        )
    ]


def crowd_gates(cell: Cell) -> list[Gate]:
    """More founders at once than there are places: some wait, and are told where."""
    name, waited = f"{cell.founders} founders at once", len(cell.positions)
    untold = sum(position < 1 for position in cell.positions)
    return [
        Gate(f"{name}: runs that waited", waited, "> 0", is_met=waited > 0),
        Gate(f"{name}: of them not told where", untold, "0", is_met=untold == 0),
        Gate(f"{name}: errors", len(cell.errors), "0", is_met=not cell.errors),
    ]


def figures(
    cells: list[Cell], checked: list[Gate], goals: dict[str, float]
) -> dict[str, float]:
    """What is worth comparing with another run: the gates, ratios and goals."""
    told = {gate.name: gate.value for gate in checked}
    for founders in sorted({cell.founders for cell in cells}):
        for figure, name in (
            ("cpu_per_message", "CPU per message, product / floor"),
            ("tokens_per_second", "tok/s, product / floor"),
        ):
            ratio = _ratio(cells, founders, figure)
            if ratio is not None:
                told[f"{founders} founders: {name}"] = ratio
        for figure, name in (
            ("tokens_per_second", "tok/s"),
            ("send_p50", "TTFT p50 over the model's, ms"),
            ("send_p95", "TTFT p95 over the model's, ms"),
        ):
            value = _median(cells, "product", founders, figure)
            told[f"{founders} founders: {name}"] = value
    return told | goals


def _ratio(cells: list[Cell], founders: int, figure: str) -> float | None:
    """Compare medians over the interleaved rounds."""
    product = _median(cells, "product", founders, figure)
    floor = _median(cells, "floor", founders, figure)
    return product / floor if product and floor else None


def _median(cells: list[Cell], system: str, founders: int, figure: str) -> float:
    values = [
        float(getattr(cell, figure))
        for cell in cells
        if (cell.system, cell.founders) == (system, founders)
    ]
    return median(values) if values else 0.0
