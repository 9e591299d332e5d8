"""A small crew that pays for first calls before a founder would."""

from libs.crewspec.compiled import (
    CompiledAgent,
    CompiledCrew,
    CompiledTask,
    LiveDocuments,
    ModelDocument,
    ModelProviderKind,
    ToolDocument,
    Trigger,
)
from services.orchestrator.engine import RunPlan

__all__ = ["warm_up_plan"]

_MODEL = "warm-up"
_TOOL = "explain-framework"


def warm_up_plan() -> RunPlan:
    """One step on the simulated model that calls a tool and streams a reply."""
    agent = CompiledAgent(
        name="coach",
        role="Coach",
        goal="Warm up",
        backstory="A coach.",
        model=_MODEL,
        tools=(_TOOL,),
    )
    task = CompiledTask(
        name="reply",
        title="Warming up",
        description="Answer.",
        expected_output="An answer.",
        agent="coach",
        suggestions=True,
    )
    return RunPlan(
        run_id="warm-up",
        session_id="warm-up",
        founder_ref="",
        message="Which framework helps with the first interview?",
        crew=CompiledCrew(
            name="warm-up",
            description="",
            digest="",
            triggers=frozenset({Trigger.MESSAGE}),
            agents={"coach": agent},
            tasks=(task,),
        ),
        live=LiveDocuments(
            models={
                _MODEL: ModelDocument(
                    name=_MODEL,
                    generation=0,
                    provider=ModelProviderKind.SIMULATED,
                    model="coach",
                    tokens_per_second=100_000,
                )
            },
            tools={
                _TOOL: ToolDocument(
                    name=_TOOL,
                    generation=0,
                    builtin="explain_framework",
                    title="Warming up",
                    description="",
                )
            },
        ),
    )
