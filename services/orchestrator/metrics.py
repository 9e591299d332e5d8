"""What the orchestrator measures of itself."""

from collections.abc import Callable, Mapping
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["Metrics"]

_MAX_CREWS = 100
"""Under roll-out at a time, of which the weights are told."""

_SECONDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1, 2.5, 5, 10, 30, 60, 120, 300),
)


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
        self._measure_stream(counter, gauge)
        self._measure_models(counter, histogram)
        self._measure_guardrails(counter, gauge)

    def tell_crew_source(self, source: str) -> None:
        """Tell where crews come from, by the kind that `source` begins with."""
        self.crew_source.clear()
        self.crew_source.labels(source.partition(":")[0]).set(1)

    def tell_candidates(self, weights: Mapping[str, int]) -> None:
        """Tell the weights of candidates by crew, those of the others no more."""
        self.candidate_percent.clear()
        for crew in sorted(weights)[:_MAX_CREWS]:
            self.candidate_percent.labels(crew).set(weights[crew])

    def _measure_stream(
        self, counter: Callable[..., Counter], gauge: Callable[..., Gauge]
    ) -> None:
        self.crew_source = gauge(
            "venturebots_crew_source",
            "Where the crews in force came from: 1 for its kind",
            ["kind"],
        )
        self.crew_stream_connected = gauge(
            "venturebots_crew_stream_connected",
            "1 while the operator's stream is open and has told everything",
        )
        self.crew_updates = counter(
            "venturebots_crew_updates",
            "Updates of the operator: applied, or refused as a whole or in part",
            ["result"],
        )
        self.candidate_percent = gauge(
            "venturebots_crew_candidate_percent",
            "Share of the sessions that a crew's candidate gets",
            ["crew"],
        )
        self.probes = counter(
            "venturebots_crew_probes",
            "Conversations tried for the operator, by result",
            ["result"],
        )

    def _measure_models(
        self, counter: Callable[..., Counter], histogram: Callable[..., Histogram]
    ) -> None:
        self.tokens = counter(
            "venturebots_llm_tokens",
            "Tokens by model and direction",
            ["model", "direction"],
        )
        self.llm_request_seconds = histogram(
            "venturebots_llm_request_seconds",
            "Model calls, retries before the first token included",
            ["model"],
        )
        self.llm_first_text_seconds = histogram(
            "venturebots_llm_first_text_seconds",
            "From a model call's start to its first text",
            ["model"],
        )
        self.llm_errors = counter(
            "venturebots_llm_errors",
            "Model calls that gave no answer, by code; cancelled ones too",
            ["model", "code"],
        )
        self.tool_calls = counter(
            "venturebots_tool_calls", "Tool calls by how they ended", ["tool", "status"]
        )
        self.tool_seconds = histogram(
            "venturebots_tool_seconds", "Tool calls by tool", ["tool"]
        )

    def _measure_guardrails(
        self, counter: Callable[..., Counter], gauge: Callable[..., Gauge]
    ) -> None:
        self.rules_applied = counter(
            "venturebots_guardrails_applied",
            "What guardrail rules found, by rule and kind",
            ["rule", "kind"],
        )
        self.stuck_tool_threads = gauge(
            "venturebots_tool_threads_stuck",
            "Threads that tools still hold after their time",
        )
