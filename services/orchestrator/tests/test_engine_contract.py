"""What every engine owes a run; the scripted one and CrewAI's are held to it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from libs.errors import VentureBotsError
from services.orchestrator.app import create_engine
from services.orchestrator.config import Config
from services.orchestrator.engine import (
    CrewEngine,
    EndStatus,
    EngineEvent,
    MessageDelta,
    MessageFinished,
    MessageStarted,
    RunPlan,
    StepFinished,
    StepStarted,
    SuggestionsOffered,
    ToolFinished,
    ToolStarted,
    UsageTold,
)
from services.orchestrator.errors import LLMUnavailableError
from services.orchestrator.tests.crews import compiled
from services.orchestrator.tests.scripted_engine import (
    Call,
    Fail,
    Pause,
    Say,
    Script,
    ScriptedEngine,
)

# CrewAI reads deprecated fields of its own models while it copies an agent.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

_FAULT = "/fault:500"
_SLOW = "/fault:slow"


def script_for(plan: RunPlan) -> Script:
    """Do what the CrewAI engine's simulated model does on the same words."""
    message = plan.message or ""
    if _FAULT in message:
        return [Fail(LLMUnavailableError("the provider failed"))]
    if _SLOW in message:
        return [Say(["Well, "]), Pause(60)]
    return [Call("explain-framework"), Say([f"On {message!r}: ", "tell ", "me more."])]


def make_scripted() -> CrewEngine:
    """Make the tests' engine."""
    return ScriptedEngine(script_for)


def make_crewai() -> CrewEngine:
    """Make the product's engine on the simulated model."""
    return create_engine(Config(simulation_salt="contract", simulation_has_faults=True))


@pytest.fixture(params=[make_scripted, make_crewai], ids=["scripted", "crewai"])
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[CrewEngine]:
    """Make each engine, warmed up."""
    make: Callable[[], CrewEngine] = request.param
    made = make()
    await made.warm_up()
    yield made
    await made.aclose()


def plan_for(
    message: str | None, *, crew: str = "coaching", run: str = "r1"
) -> RunPlan:
    """Plan a run of a crew of the tests."""
    documents = compiled()
    return RunPlan(
        run_id=run,
        session_id=f"session of {run}",
        founder_ref="f1",
        message=message,
        crew=documents.crews[crew],
        live=documents.live,
    )


class Witness:
    """Notes events and checks on arrival that they make sense together."""

    def __init__(self) -> None:
        self.events: list[EngineEvent] = []
        self.open: Counter[str] = Counter()
        self.text = ""
        self.spoke = asyncio.Event()

    def __call__(self, event: EngineEvent) -> None:
        """Take one event."""
        self.events.append(event)
        self._count(event)
        assert set(self.open.values()) <= {0, 1}
        match event:
            case ToolStarted():
                assert self.open[event.step_id] == 1
            case MessageDelta():
                assert event.text
                assert self.open[event.message_id] == 1
                self.text += event.text
                self.spoke.set()
            case SuggestionsOffered():
                assert 2 <= len(event.suggestions) <= 4
                assert self.open[event.message_id] == 0
            case UsageTold():
                assert event.prompt_tokens > 0
            case _:
                pass

    def _count(self, event: EngineEvent) -> None:
        match event:
            case StepStarted() | StepFinished():
                name = event.step_id
            case ToolStarted() | ToolFinished():
                name = event.tool_call_id
            case MessageStarted() | MessageFinished():
                name = event.message_id
            case _:
                return
        has_begun = isinstance(event, StepStarted | ToolStarted | MessageStarted)
        self.open[name] += 1 if has_begun else -1

    @property
    def is_closed(self) -> bool:
        """Whether all that began has ended."""
        return not any(self.open.values())

    def of[E](self, kind: type[E]) -> list[E]:
        """List the events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


@pytest.mark.parametrize(
    ("crew", "message"), [("coaching", "My rent is late."), ("welcome", None)]
)
async def test_a_run_speaks_once_and_closes_all_it_opened(
    engine: CrewEngine, crew: str, message: str | None
) -> None:
    witness = Witness()
    await engine.run(plan_for(message, crew=crew), witness)
    assert witness.is_closed
    (finished,) = witness.of(MessageFinished)
    assert finished.status is EndStatus.COMPLETE
    assert witness.text.strip()
    (step,) = witness.of(StepFinished)
    assert step.status is EndStatus.COMPLETE
    assert step.output
    assert len(witness.of(SuggestionsOffered)) == 1
    assert witness.of(UsageTold)


async def test_a_message_starts_with_its_first_text(engine: CrewEngine) -> None:
    witness = Witness()
    await engine.run(plan_for("My rent is late."), witness)
    kinds = [type(event) for event in witness.events]
    started = kinds.index(MessageStarted)
    assert kinds[started + 1] is MessageDelta


async def test_a_cancelled_run_closes_all_it_opened_at_once(
    engine: CrewEngine,
) -> None:
    witness = Witness()
    run = asyncio.create_task(engine.run(plan_for(f"{_SLOW} please"), witness))
    await asyncio.wait_for(witness.spoke.wait(), 10)
    run.cancel()
    done, _ = await asyncio.wait([run], timeout=2)
    assert done == {run}
    assert run.cancelled()
    assert witness.is_closed
    assert [event.status for event in witness.of(MessageFinished)] == [
        EndStatus.CANCELLED
    ]
    assert [event.status for event in witness.of(StepFinished)] == [EndStatus.CANCELLED]


async def test_a_failing_model_is_a_typed_error(engine: CrewEngine) -> None:
    witness = Witness()
    with pytest.raises(VentureBotsError) as caught:
        await engine.run(plan_for(f"{_FAULT} please"), witness)
    assert caught.value.code == "llm_unavailable"
    assert caught.value.retryable
    assert witness.is_closed
    assert [event.status for event in witness.of(StepFinished)] == [EndStatus.FAILED]
    assert not witness.text


async def test_a_finished_step_is_taken_over_not_run_again(
    engine: CrewEngine,
) -> None:
    plan = plan_for("My rent is late.", crew="thorough")
    first = Witness()
    await engine.run(plan, first)
    outputs = {step.task: step.output for step in first.of(StepFinished)}
    assert set(outputs) == {"think", "reply"}
    again = Witness()
    await engine.run(replace(plan, finished_steps={"think": outputs["think"]}), again)
    assert again.is_closed
    told = {step.task: step.reused for step in again.of(StepFinished)}
    assert told == {"think": True, "reply": False}
    assert len(again.of(UsageTold)) < len(first.of(UsageTold))


async def test_runs_at_once_do_not_hear_each_other(engine: CrewEngine) -> None:
    witnesses = [Witness() for _ in range(8)]
    plans = [plan_for(f"Late rent {n}.", run=f"r{n}") for n in range(len(witnesses))]
    await asyncio.gather(
        *(
            engine.run(plan, witness)
            for plan, witness in zip(plans, witnesses, strict=True)
        )
    )
    for witness in witnesses:
        assert witness.is_closed
        assert len(witness.of(MessageFinished)) == 1
    ids = {event.message_id for w in witnesses for event in w.of(MessageStarted)}
    assert len(ids) == len(witnesses)
