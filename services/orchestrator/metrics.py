"""What the orchestrator measures of itself."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["Metrics"]

_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """Counters of one process in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.active_runs = Gauge(
            "venturebots_runs_active", "Runs that hold a place", registry=registry
        )
        self.queued_runs = Gauge(
            "venturebots_runs_queued", "Runs that wait for a place", registry=registry
        )
        self.refused_runs = Counter(
            "venturebots_runs_refused",
            "Runs that were not taken",
            ["code"],
            registry=registry,
        )
        self.ended_runs = Counter(
            "venturebots_runs_ended",
            "Runs by how they ended; code is empty unless they failed",
            ["crew", "state", "code"],
            registry=registry,
        )
        self.queue_seconds = Histogram(
            "venturebots_run_queue_seconds",
            "From arrival to a place",
            buckets=_SECONDS,
            registry=registry,
        )
        self.first_text_seconds = Histogram(
            "venturebots_run_first_text_seconds",
            "From a place to the first text",
            ["crew"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.run_seconds = Histogram(
            "venturebots_run_seconds",
            "From a place to the end",
            ["crew"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.tokens = Counter(
            "venturebots_llm_tokens",
            "Tokens by model and direction",
            ["model", "direction"],
            registry=registry,
        )
        self.kept_events_bytes = Gauge(
            "venturebots_run_events_bytes",
            "Memory held by events of runs",
            registry=registry,
        )
        self.crew_reloads = Counter(
            "venturebots_crew_reloads",
            "Readings of the crew documents by result",
            ["result"],
            registry=registry,
        )
        self.crews_rejected = Gauge(
            "venturebots_crew_diagnostics",
            "Mistakes in the newest crew documents; 0 when they are in force",
            registry=registry,
        )
