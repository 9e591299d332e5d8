"""What the code logs and measures, read from the code itself."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from services.api_gateway.metrics import GatewayMetrics
from services.operator.metrics import Metrics as OperatorMetrics
from services.orchestrator.metrics import Metrics as OrchestratorMetrics

__all__ = ["ROOT", "logged_events", "metric_rows"]

ROOT: Final = Path(__file__).parents[2]
_LOGGERS: Final = {"_logger", "log", "logger"}
_LEVELS: Final = {"debug", "info", "warning", "error", "exception", "critical"}


def logged_events() -> dict[str, str]:
    """Every event the code logs, as the row that documents it."""
    levels: defaultdict[str, set[str]] = defaultdict(set)
    fields: defaultdict[str, set[str]] = defaultdict(set)
    for folder in ("libs", "services"):
        for path in (ROOT / folder).rglob("*.py"):
            if "tests" in path.parts or "testing" in path.parts:
                continue
            for call in _log_calls(ast.parse(path.read_text("utf-8"))):
                level, event = _told(call)
                levels[event].add(level)
                fields[event] |= {word.arg or "…" for word in call.keywords}
    return {
        event: f"| {event} | {', '.join(sorted(levels[event]))} |"
        f" {', '.join(sorted(fields[event] - {'exc_info'})) or 'none'} |"
        for event in levels
    }


def _log_calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id in _LOGGERS
            and node.func.attr in {*_LEVELS, "log"}
        ):
            yield node


def _told(call: ast.Call) -> tuple[str, str]:
    """Level and event of a call; an event that is no constant fails."""
    if not isinstance(call.func, ast.Attribute):
        raise TypeError(ast.dump(call))
    level = call.func.attr
    event = call.args[1 if level == "log" else 0]
    if not isinstance(event, ast.Constant):
        raise TypeError(f"an event is a constant: {ast.unparse(call)}")
    named = {"exception": "error", "log": "debug, info"}.get(level, level)
    return named, str(event.value)


def metric_rows(service: str) -> dict[str, str]:
    """Every metric of a service, as the row that documents it."""
    registry = CollectorRegistry()
    if service == "orchestrator":
        OrchestratorMetrics(registry)
    elif service == "operator":
        OperatorMetrics(registry)
    else:
        metrics = GatewayMetrics(registry)
        metrics.watch_writer(
            queue_depth=lambda: 0, counters=lambda: defaultdict[str, int](int)
        )
    return {family.name: _row(registry, family) for family in registry.collect()}


def _row(registry: CollectorRegistry, family: Metric) -> str:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    collectors = registry._names_to_collectors  # noqa: SLF001 - no public way
    labels = getattr(collectors.get(name), "_labelnames", ())
    told = ", ".join(f"`{label}`" for label in labels) or "none"
    return f"| `{name}` | {family.type} | {told} | {family.documentation} |"
