"""What a run may use up, and how its end is told when it has."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from libs.crewspec.compiled import (
    BlockedOutput,
    HiddenTextRule,
    InjectionRule,
    PolicyDocument,
    SecretRule,
    TaskOutput,
)
from services.orchestrator.engine import CrewEngine, EndStatus, MessageFinished
from services.orchestrator.errors import OutputLimitError
from services.orchestrator.runtime.policies.limits import Budget, strictest
from services.orchestrator.runtime.tests.plans import (
    Recorder,
    make_plan,
    reply_task,
    tool_document,
)
from services.orchestrator.runtime.tests.scripted_model import (
    Reply,
    ScriptedModel,
    call_of,
)

_POLICY = PolicyDocument(name="limits", generation=1)
_LONG = Reply(pieces=("word ",) * 50, stalls=True)
_CALL = Reply(tool_calls=(call_of("explain_framework", topic="pain"),))


async def _fail(engine: CrewEngine, reply: Reply, **limits: Any) -> Recorder:
    """Run against a limit; the request upstream must be closed."""
    record = Recorder()
    async with ScriptedModel(reply) as server:
        policy = replace(_POLICY, **limits)
        with pytest.raises(OutputLimitError) as caught:
            await engine.run(make_plan(server.document(), policy=policy), record)
        async with asyncio.timeout(1):
            await server.was_left.wait()
    assert (caught.value.code, caught.value.retryable) == ("output_limit", False)
    assert record.of(MessageFinished)[0].status is EndStatus.FAILED
    assert record.unfinished == set()
    return record


@pytest.mark.parametrize("limit", ["max_completion_tokens", "max_call_tokens"])
async def test_more_tokens_than_allowed_end_the_run_and_keep_what_was_said(
    engine: CrewEngine, limit: str
) -> None:
    record = await _fail(engine, _LONG, **{limit: 10})
    assert record.text.split() == ["word"] * 10


async def test_a_server_that_joins_tokens_is_stopped_too(engine: CrewEngine) -> None:
    joined = Reply(pieces=("word " * 10,) * 8, stalls=True)
    record = await _fail(engine, joined, max_completion_tokens=10)
    assert len(record.text.split()) <= 20


async def test_what_earlier_calls_used_is_no_longer_there(engine: CrewEngine) -> None:
    notes = reply_task(name="notes", output=TaskOutput.INTERNAL)
    record = Recorder()
    async with ScriptedModel(Reply(pieces=("word ",) * 8)) as server:
        policy = replace(_POLICY, max_completion_tokens=8)
        plan = make_plan(server.document(), notes, reply_task(), policy=policy)
        with pytest.raises(OutputLimitError):
            await engine.run(plan, record)
    assert len(server.requests) == 1
    assert record.text == ""


async def test_each_call_has_its_own_bound(engine: CrewEngine) -> None:
    record = Recorder()
    answer = Reply(pieces=("word ",) * 8)
    async with ScriptedModel(_CALL, answer) as server:
        policy = replace(_POLICY, max_call_tokens=8)
        tools = (tool_document("explain-framework"),)
        plan = make_plan(server.document(), tools=tools, policy=policy)
        await engine.run(plan, record)
    assert record.text.split() == ["word"] * 8
    assert [request.get("max_tokens") for request in server.requests] == [8, 8]


async def test_an_answer_the_provider_cut_is_not_told_as_whole(
    engine: CrewEngine,
) -> None:
    record = Recorder()
    cut = (
        b'data: {"choices":[{"delta":{"content":"Half a"},"finish_reason":null}]}\n\n'
        b'data: {"choices":[{"delta":{},"finish_reason":"length"}]}\n\ndata: [DONE]\n\n'
    )
    async with ScriptedModel(Reply(body=cut)) as server:
        with pytest.raises(OutputLimitError):
            await engine.run(make_plan(server.document()), record)
    assert record.text == "Half a"
    assert record.of(MessageFinished)[0].status is EndStatus.FAILED


def test_what_the_provider_reports_counts_when_it_is_more() -> None:
    budget = Budget(replace(_POLICY, max_completion_tokens=100))
    budget.begin_call()
    budget.take_text(5)
    budget.note_usage(99, "stop")
    budget.end_call()
    assert budget.tokens == 99
    budget.begin_call()
    budget.take_text(5)
    with pytest.raises(OutputLimitError):
        budget.take_text(5)


def test_of_several_policies_the_strictest_counts_field_by_field() -> None:
    lenient = PolicyDocument("lenient", 3, denied_phrases=("first", "both"))
    strict = PolicyDocument(
        "strict",
        2,
        run_timeout_seconds=9,
        max_tool_calls=1,
        max_tool_argument_characters=2,
        max_tool_result_characters=3,
        max_output_characters=4,
        max_completion_tokens=5,
        max_call_tokens=6,
        max_input_characters=7,
        hidden_text=HiddenTextRule.REMOVE,
        secrets=SecretRule.MASK,
        injections=InjectionRule.REFUSE,
        blocked_output=frozenset({BlockedOutput.SECRETS}),
        denied_phrases=("both", "second"),
    )
    expected = replace(
        strict,
        name="lenient+strict",
        generation=3,
        denied_phrases=("first", "both", "second"),
    )
    assert strictest((lenient, strict)) == expected
    assert strictest(()) == PolicyDocument("default", 0)
