"""Plans and events for the tests of the engine."""

from dataclasses import dataclass, field, replace
from typing import Any

from libs.crewspec.compiled import (
    CompiledAgent,
    CompiledCrew,
    CompiledTask,
    LiveDocuments,
    ModelDocument,
    ModelProviderKind,
    PolicyDocument,
    ToolDocument,
    Trigger,
)
from services.orchestrator.engine import (
    EngineEvent,
    MessageDelta,
    MessageFinished,
    MessageStarted,
    RunPlan,
    StepFinished,
    StepStarted,
    ToolFinished,
    ToolStarted,
)

__all__ = ["Recorder", "make_plan", "reply_task", "simulated_model", "tool_document"]

POLICY = PolicyDocument(name="limits", generation=1)


def simulated_model(**changes: Any) -> ModelDocument:
    """A simulated model that does not keep tests waiting."""
    document = ModelDocument(
        name="simulated",
        generation=1,
        provider=ModelProviderKind.SIMULATED,
        model="coach",
        tokens_per_second=100_000,
    )
    return replace(document, **changes)


def tool_document(name: str, **changes: Any) -> ToolDocument:
    """A document for one of the coaching assistant's tools."""
    document = ToolDocument(
        name=name,
        generation=1,
        builtin=name.replace("-", "_"),
        title=f"Using {name}",
        description="",
    )
    return replace(document, **changes)


def reply_task(**changes: Any) -> CompiledTask:
    """The task of the first crew."""
    task = CompiledTask(
        name="reply",
        title="Thinking",
        description="Reply to the founder.",
        expected_output="A short reply.",
        agent="coach",
    )
    return replace(task, **changes)


def make_plan(
    model: ModelDocument,
    *tasks: CompiledTask,
    tools: tuple[ToolDocument, ...] = (),
    policy: PolicyDocument = POLICY,
    max_iterations: int = 8,
    **changes: Any,
) -> RunPlan:
    """One agent, the given tasks, one model."""
    agent = CompiledAgent(
        name="coach",
        role="A venture coach",
        goal="Help the founder take one step.",
        backstory="You ask before you advise.",
        model="default",
        tools=tuple(tool.name for tool in tools),
        max_iterations=max_iterations,
    )
    crew = CompiledCrew(
        name="coaching",
        description="",
        digest="sha256:0",
        triggers=frozenset(Trigger),
        agents={"coach": agent},
        tasks=tasks or (reply_task(),),
        policies=(policy.name,),
    )
    plan = RunPlan(
        run_id="run-1",
        session_id="session-1",
        founder_ref="founder-1",
        message="I lose an hour every week looking for lecture notes.",
        crew=crew,
        live=LiveDocuments(
            models={"default": model},
            tools={tool.name: tool for tool in tools},
            policies={policy.name: policy},
        ),
    )
    return replace(plan, **changes)


@dataclass
class Recorder:
    """Takes the events of one run and says what they amount to."""

    events: list[EngineEvent] = field(default_factory=list)

    def __call__(self, event: EngineEvent) -> None:
        """Take the next event."""
        self.events.append(event)

    def of[T](self, kind: type[T]) -> list[T]:
        """The events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def text(self) -> str:
        """What the founder has read."""
        return "".join(delta.text for delta in self.of(MessageDelta))

    @property
    def unfinished(self) -> set[str]:
        """Ids of whatever began and was never told to have ended."""
        begun = {event.step_id for event in self.of(StepStarted)}
        begun |= {event.tool_call_id for event in self.of(ToolStarted)}
        begun |= {event.message_id for event in self.of(MessageStarted)}
        ended = {event.step_id for event in self.of(StepFinished)}
        ended |= {event.tool_call_id for event in self.of(ToolFinished)}
        ended |= {event.message_id for event in self.of(MessageFinished)}
        return begun - ended
