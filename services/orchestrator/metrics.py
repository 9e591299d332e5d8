"""What the orchestrator measures of itself."""

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["Metrics"]

_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """Counters of one process in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        gauge = partial(Gauge, registry=registry)
        counter = partial(Counter, registry=registry)
        histogram = partial(Histogram, buckets=_SECONDS, registry=registry)
        self.registry = registry
        self.active_runs = gauge("venturebots_runs_active", "Runs that hold a place")
        self.queued_runs = gauge("venturebots_runs_queued", "Runs that wait")
        self.refused_runs = counter(
            "venturebots_runs_refused", "Runs that were not taken", ["code"]
        )
        self.ended_runs = counter(
            "venturebots_runs_ended",
            "Runs by how they ended; code is empty unless they failed",
            ["crew", "state", "code"],
        )
        self.queue_seconds = histogram(
            "venturebots_run_queue_seconds", "From arrival to a place"
        )
        self.first_text_seconds = histogram(
            "venturebots_run_first_text_seconds",
            "From a place to the first text",
            ["crew"],
        )
        self.run_seconds = histogram(
            "venturebots_run_seconds", "From a place to the end", ["crew"]
        )
        self.tokens = counter(
            "venturebots_llm_tokens",
            "Tokens by model and direction",
            ["model", "direction"],
        )
        self.kept_events_bytes = gauge(
            "venturebots_run_events_bytes", "Memory held by events of runs"
        )
        self.crew_reloads = counter(
            "venturebots_crew_reloads",
            "Readings of the crew documents by result",
            ["result"],
        )
        self.crews_rejected = gauge(
            "venturebots_crew_diagnostics",
            "Mistakes in the newest crew documents; 0 when they are in force",
        )
