"""What a run adds to the metrics, whatever its model makes up."""

from prometheus_client import CollectorRegistry

from libs.crewspec.compiled import CompiledCrew, LiveDocuments, ToolDocument, Trigger
from services.orchestrator.engine import (
    EndStatus,
    RunPlan,
    ToolFinished,
    ToolStarted,
    UsageTold,
)
from services.orchestrator.metrics import Metrics
from services.orchestrator.model_calls import ModelCalled
from services.orchestrator.runs.observation import Observation, RunObserver


def _observer() -> tuple[RunObserver, CollectorRegistry]:
    registry = CollectorRegistry()
    tool = ToolDocument(
        name="pain-gaps", generation=1, builtin="pain_gaps", title="", description=""
    )
    plan = RunPlan(
        run_id="r",
        session_id="s",
        founder_ref="f",
        message="Hello",
        crew=CompiledCrew(
            name="coaching",
            description="",
            digest="d",
            triggers=frozenset({Trigger.MESSAGE}),
            agents={},
            tasks=(),
        ),
        live=LiveDocuments(models={}, tools={tool.name: tool}),
    )
    return RunObserver(Observation(Metrics(registry)), plan), registry


def _call(**changes: object) -> ModelCalled:
    given = {
        "model": "small",
        "provider": "Simulated",
        "request_model": "coach",
        "step_id": "s1",
        "began_ns": 0,
        "duration_seconds": 2.0,
        "first_text_seconds": 0.5,
    }
    return ModelCalled(**(given | changes))  # type: ignore[arg-type] # as given


def test_tools_that_a_model_makes_up_share_one_label() -> None:
    observer, registry = _observer()
    for number, tool in enumerate(("pain_gaps", "rm -rf", "x" * 500)):
        observer.hear(ToolStarted(f"c{number}", "s1", tool, "title"))
        observer.hear(ToolFinished(f"c{number}", EndStatus.FAILED, 250))

    calls = {
        tool: registry.get_sample_value(
            "venturebots_tool_calls_total", {"tool": tool, "status": "failed"}
        )
        for tool in ("pain-gaps", "unknown", "rm -rf")
    }
    assert calls == {"pain-gaps": 1, "unknown": 2, "rm -rf": None}


def test_a_model_call_is_timed_and_its_failure_counted() -> None:
    observer, registry = _observer()
    observer.hear_model(_call())
    observer.hear_model(_call(first_text_seconds=None, error_code="llm_timeout"))

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {"model": "small", **labels})

    assert value("venturebots_llm_request_seconds_count") == 2
    assert value("venturebots_llm_request_seconds_sum") == 4
    assert value("venturebots_llm_first_text_seconds_count") == 1
    assert value("venturebots_llm_errors_total", code="llm_timeout") == 1


def test_tokens_are_counted_by_model_and_direction() -> None:
    observer, registry = _observer()
    for _ in range(2):
        observer.hear(UsageTold("small", prompt_tokens=7, completion_tokens=3))

    for direction, tokens in (("prompt", 14), ("completion", 6)):
        labels = {"model": "small", "direction": direction}
        assert (
            registry.get_sample_value("venturebots_llm_tokens_total", labels) == tokens
        )
