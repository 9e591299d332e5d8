"""What the gateway measures of itself: per command, run and commit, never per word."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, override

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

__all__ = ["GatewayMetrics"]

_TEXT_SECONDS: Final = (
    *(0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.3, 0.5),
    *(1, 2, 3, 5, 10, 20, 30),
)
_TURN_SECONDS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
_REQUEST_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5)
_COMMIT_SECONDS: Final = (
    *(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05),
    *(0.1, 0.25, 0.5, 1, 5),
)
_COMMIT_UNITS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_WRITTEN: Final = {
    "events": "Events appended to the logs",
    "failed_commits": "Commits that did not go through",
}


class GatewayMetrics:
    """Counters of one process in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._counter = partial(Counter, registry=registry)
        self._gauge = partial(Gauge, registry=registry)
        self._histogram = partial(Histogram, registry=registry)
        self._of_requests()
        self._of_turns()
        self._of_connections()
        self._of_commits()

    def _of_requests(self) -> None:
        self.request_seconds = self._histogram(
            "venturebots_gateway_request_seconds",
            "HTTP requests by method, route template and class of status",
            ["method", "route", "status"],
            buckets=_REQUEST_SECONDS,
        )
        self.commands = self._counter(
            "venturebots_gateway_commands",
            "Socket commands by type and outcome: ok, or an error's code",
            ["type", "code"],
        )

    def _of_turns(self) -> None:
        self.active_runs = self._gauge(
            "venturebots_gateway_active_runs", "Runs this gateway carries"
        )
        self.waiting_runs = self._gauge(
            "venturebots_gateway_waiting_runs",
            "Runs that wait for another of their session; looked at every 5 s",
        )
        self.turns = self._counter(
            "venturebots_gateway_turns",
            "Runs carried to their end, by outcome; code is empty unless they failed",
            ["outcome", "code"],
        )
        self.turn_seconds = self._histogram(
            "venturebots_gateway_turn_seconds",
            "From an accepted message to its run's end",
            buckets=_TURN_SECONDS,
        )
        self.first_text_seconds = self._histogram(
            "venturebots_gateway_first_text_seconds",
            "From an accepted message to the first stored text of its reply",
            buckets=_TEXT_SECONDS,
        )

    def _of_connections(self) -> None:
        self.sockets = self._gauge(
            "venturebots_gateway_sockets", "Open connections by kind", ["kind"]
        )
        self.sockets_opened = self._counter(
            "venturebots_gateway_sockets_opened",
            "Connections that were let in, by kind",
            ["kind"],
        )
        self.sockets_closed = self._counter(
            "venturebots_gateway_sockets_closed",
            "Connections that ended, by kind and close code or reason",
            ["kind", "code"],
        )
        self.sockets_refused = self._counter(
            "venturebots_gateway_sockets_refused",
            "Sockets turned away at their handshake, by close code",
            ["code"],
        )
        self.replayed_events = self._counter(
            "venturebots_gateway_replayed_events", "Past events sent to readers"
        )
        self.snapshots = self._counter(
            "venturebots_gateway_snapshots",
            "Snapshots sent to readers that no replay could bring up to date",
        )

    def _of_commits(self) -> None:
        self.store_queue = self._gauge(
            "venturebots_gateway_store_queue", "Units of work the writer has not done"
        )
        self.commit_seconds = self._histogram(
            "venturebots_gateway_commit_seconds",
            "Transactions from their begin to their commit",
            buckets=_COMMIT_SECONDS,
        )
        self.commit_units = self._histogram(
            "venturebots_gateway_commit_units",
            "Units of work in one transaction",
            buckets=_COMMIT_UNITS,
        )

    def count_commit(self, units: int, seconds: float) -> None:
        """Take a transaction; called by the writer's thread."""
        self.commit_units.observe(units)
        self.commit_seconds.observe(seconds)

    def watch_writer(
        self, *, queue_depth: Callable[[], int], counters: Callable[[], dict[str, int]]
    ) -> None:
        """Read what the writer counts by itself whenever metrics are asked for."""
        self.store_queue.set_function(queue_depth)
        self.registry.register(_WriterCounters(counters))


class _WriterCounters(Collector):
    """The writer's own counters, read at each scrape: they cost nothing else."""

    def __init__(self, counters: Callable[[], dict[str, int]]) -> None:
        self._counters = counters

    @override
    def collect(self) -> Iterator[CounterMetricFamily]:
        """Give every figure as it is now."""
        counters = self._counters()
        for name, help_text in _WRITTEN.items():
            family = f"venturebots_gateway_store_{name}"
            yield CounterMetricFamily(family, help_text, value=counters[name])
