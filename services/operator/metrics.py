"""What the operator measures of itself and of what it looks after."""

from collections import Counter as Counts
from collections.abc import Iterable
from enum import StrEnum
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["Metrics", "Result"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Result(StrEnum):
    """How one look at one resource ended."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    CONFLICT = "conflict"
    FAILED = "failed"


class Metrics:
    """Counters of one process in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        gauge = partial(Gauge, registry=registry)
        counter = partial(Counter, registry=registry)
        self.registry = registry
        self.reconciles = counter(
            "venturebots_operator_reconcile",
            "Looks at a resource, by kind and by how they ended",
            ["kind", "result"],
        )
        self.reconcile_seconds = Histogram(
            "venturebots_operator_reconcile_duration_seconds",
            "From taking a resource from the queue to the last write",
            ["kind"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.queue_depth = gauge(
            "venturebots_operator_queue_depth", "Resources that wait to be looked at"
        )
        self.watch_age_seconds = gauge(
            "venturebots_operator_watch_age_seconds",
            "Since the API server was heard last on the quietest watch",
        )
        self.is_leader = gauge(
            "venturebots_operator_is_leader", "1 while this replica leads"
        )
        self.api_writes = counter(
            "venturebots_operator_api_writes",
            "Requests to the API server that write, by kind of object",
            ["kind"],
        )
        self.orchestrators = gauge(
            "venturebots_operator_orchestrators",
            "Orchestrators: ready endpoints, open streams, those that refuse a part",
            ["state"],
        )
        self.bootstrap_too_large = gauge(
            "venturebots_operator_bootstrap_too_large",
            "1 while all stable crews do not fit their ConfigMap",
        )
        self._conditions = gauge(
            "venturebots_operator_crew_condition",
            "Crews by condition and status",
            ["type", "status"],
        )
        self._conditions_of: dict[str, tuple[tuple[str, str], ...]] = {}
        self._counts: Counts[tuple[str, str]] = Counts()

    def put_conditions(self, crew: str, conditions: Iterable[tuple[str, str]]) -> None:
        """Count a crew's conditions, (type, status) each, instead of its last."""
        before, now = self._conditions_of.get(crew, ()), tuple(conditions)
        if before == now:
            return
        self._counts.subtract(before)
        self._counts.update(now)
        for pair in {*before, *now}:
            self._conditions.labels(*pair).set(self._counts[pair])
        if now:
            self._conditions_of[crew] = now
        else:
            self._conditions_of.pop(crew, None)

    def forget_crews(self) -> None:
        """Count no crew: another replica does."""
        for crew in tuple(self._conditions_of):
            self.put_conditions(crew, ())
