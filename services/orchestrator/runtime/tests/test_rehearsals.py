"""Runs that only try things out: tools that change something are not called."""

import threading

import pytest

from libs.crewspec.compiled import SideEffects
from services.orchestrator.engine import CrewEngine, EndStatus, ToolFinished
from services.orchestrator.runtime.policies.tool_calls import data_of
from services.orchestrator.runtime.tests.plans import (
    Recorder,
    make_plan,
    tool_document,
)
from services.orchestrator.runtime.tests.scripted_model import (
    Reply,
    ScriptedModel,
    call_of,
)
from services.orchestrator.tool_names import called_name

_HELLO = Reply(pieces=("Hello ", "Maya."))
_NOT_CALLED = "This is a rehearsal: the tool was not called, and nothing was changed."


async def result_of(engine: CrewEngine, *, is_stubbed: bool, **changes: object) -> str:
    """Let a model call one tool, and tell what it was answered."""
    record = Recorder()
    tool = tool_document("meet", **changes)
    call = Reply(tool_calls=(call_of("meet", name="Maya"),))
    async with ScriptedModel(call, _HELLO) as server:
        plan = make_plan(
            server.document(), tools=(tool,), stubs_side_effects=is_stubbed
        )
        await engine.run(plan, record)
    assert record.of(ToolFinished)[0].status is EndStatus.COMPLETE
    return data_of(server.requests[1]["messages"][-1]["content"])


@pytest.mark.parametrize(
    "side_effects", [SideEffects.IDEMPOTENT, SideEffects.NON_IDEMPOTENT]
)
@pytest.mark.usefixtures("slow_tools")
async def test_a_tool_with_side_effects_is_not_called(
    engine: CrewEngine, side_effects: SideEffects
) -> None:
    """The tool would wait for two others, for ever."""
    told = await result_of(engine, is_stubbed=True, side_effects=side_effects)
    assert told == _NOT_CALLED


@pytest.mark.parametrize(
    ("is_stubbed", "side_effects"),
    [(True, SideEffects.NONE), (False, SideEffects.NON_IDEMPOTENT)],
)
async def test_other_tools_and_other_runs_are_as_ever(
    engine: CrewEngine,
    slow_tools: threading.Barrier,
    *,
    is_stubbed: bool,
    side_effects: SideEffects,
) -> None:
    others = [threading.Thread(target=slow_tools.wait) for _ in range(2)]
    for other in others:
        other.start()
    told = await result_of(engine, is_stubbed=is_stubbed, side_effects=side_effects)
    assert told == "met Maya"
    for other in others:
        other.join()


@pytest.mark.parametrize(
    "key",
    ["team-a/explain-framework", "two--dashes", f"{'n' * 63}/{'t' * 52}", "a.b/c"],
)
async def test_a_tool_of_another_namespace_has_a_name_that_models_take(
    engine: CrewEngine, key: str
) -> None:
    tool = tool_document(key, builtin="explain_framework")
    name = called_name(key)
    call = Reply(tool_calls=(call_of(name, topic="pain"),))
    record = Recorder()
    async with ScriptedModel(call, _HELLO) as server:
        await engine.run(make_plan(server.document(), tools=(tool,)), record)
    [offered] = server.requests[0]["tools"]
    assert offered["function"]["name"] == name
    assert record.of(ToolFinished)[0].status is EndStatus.COMPLETE
