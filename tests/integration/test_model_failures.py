"""A model that fails in every known way: each run ends as promised."""

import httpx
import pytest

from libs.testing.client import FounderClient
from libs.testing.model_script import Fault
from libs.testing.model_server import ModelServer
from tests.integration.proofs import prove_shown_is_stored


async def test_the_reply_is_the_models_own_words(
    model_founder: FounderClient, model: ModelServer
) -> None:
    session = await model_founder.create_session()
    async with model_founder.following(session["session_id"]) as socket:
        sent = await model_founder.send(session["session_id"], "Hello [seed:one]")
        await socket.ended(session["stream"], sent["run_id"])
        state = socket.state(session["stream"])
        assert state.reply_to(sent["run_id"]) == model.requests[0].text
        run = await model_founder.run(sent["run_id"])
        assert run["completion_tokens"] == 150
        assert run["prompt_tokens"] > 0
        await prove_shown_is_stored(model_founder, session["session_id"], state)


async def test_earlier_turns_reach_the_model_with_their_roles(
    model_founder: FounderClient, model: ModelServer
) -> None:
    session = await model_founder.create_session()
    async with model_founder.following(session["session_id"]) as socket:
        for text in ("First [seed:a] [tokens:5]", "Second [seed:b] [tokens:5]"):
            sent = await model_founder.send(session["session_id"], text)
            await socket.ended(session["stream"], sent["run_id"])
    said = [
        (each["role"], each["content"]) for each in model.requests[-1].body["messages"]
    ]
    roles = [role for role, _ in said]
    assert roles[0] == "system"
    assert roles[-3:] == ["user", "assistant", "user"]
    assert "First" in said[-3][1]
    assert said[-2][1] == model.requests[0].text
    assert "Second" in said[-1][1]


async def test_a_tool_call_is_shown_as_a_step_and_leads_to_a_reply(
    model_founder: FounderClient, model: ModelServer
) -> None:
    session = await model_founder.create_session()
    async with model_founder.following(session["session_id"]) as socket:
        sent = await model_founder.send(session["session_id"], "Please [tool:any]")
        assert await socket.ended(session["stream"], sent["run_id"]) == "run.finished"
        state = socket.state(session["stream"])
        [started] = state.seen("tool.started")
        [finished] = state.seen("tool.finished")
        assert started["data"]["tool_call_id"] == finished["data"]["tool_call_id"]
        assert state.reply_to(sent["run_id"]) == model.requests[-1].text
    assert model.requests[-1].body["messages"][-1]["role"] == "tool"


@pytest.mark.parametrize(
    ("fault", "code", "retryable"),
    [
        (Fault.UNAUTHORIZED, "llm_unauthorized", False),
        (Fault.RATE_LIMITED, "llm_rate_limited", True),
        (Fault.SERVER_ERROR, "llm_unavailable", True),
        (Fault.CONTEXT_EXCEEDED, "llm_context_exceeded", False),
        (Fault.STALL_FIRST, "llm_timeout", True),
        (Fault.STALL_MIDWAY, "llm_timeout", True),
        (Fault.CUT_MIDWAY, "llm_unavailable", True),
        (Fault.GARBAGE, "llm_bad_output", True),
    ],
)
async def test_a_failing_model_ends_the_run_with_its_code(
    model_founder: FounderClient,
    model: ModelServer,
    fault: Fault,
    code: str,
    *,
    retryable: bool,
) -> None:
    session = await model_founder.create_session()
    async with model_founder.following(session["session_id"]) as socket:
        state = socket.state(session["stream"])
        sent = await model_founder.send(session["session_id"], f"Go [fault:{fault}]")
        assert await socket.ended(session["stream"], sent["run_id"]) == "run.failed"
        error = (await model_founder.run(sent["run_id"]))["error"]
        assert (error["code"], error["retryable"]) == (code, retryable)
        reply = state.reply_to(sent["run_id"])
        is_midway = fault in {Fault.STALL_MIDWAY, Fault.CUT_MIDWAY}
        assert model.requests[-1].text.startswith(reply)
        assert bool(reply) is is_midway, "only the model's words are a message"
        if is_midway:
            assert "failed" in state.statuses.values()
        await prove_shown_is_stored(model_founder, session["session_id"], state)
        after = await model_founder.send(session["session_id"], "Next [tokens:5]")
        assert await socket.ended(session["stream"], after["run_id"]) == "run.finished"


@pytest.mark.parametrize("fault", [Fault.RATE_LIMITED, Fault.SERVER_ERROR])
async def test_a_passing_fault_is_retried_before_the_first_word(
    model_founder: FounderClient, model: ModelServer, fault: Fault
) -> None:
    model.faults.append(fault)
    session = await model_founder.create_session()
    async with model_founder.following(session["session_id"]) as socket:
        sent = await model_founder.send(session["session_id"], "Hello [tokens:5]")
        assert await socket.ended(session["stream"], sent["run_id"]) == "run.finished"
    assert [each.outcome for each in model.requests][:2] == [fault, "complete"]


async def test_after_the_first_word_nothing_is_asked_again(
    model_founder: FounderClient, model: ModelServer
) -> None:
    model.faults.append(Fault.CUT_MIDWAY)
    session = await model_founder.create_session()
    async with model_founder.following(session["session_id"]) as socket:
        sent = await model_founder.send(session["session_id"], "Hello")
        assert await socket.ended(session["stream"], sent["run_id"]) == "run.failed"
        assert len(model.requests) == 1
        retried = await model_founder.retry(sent["run_id"])
        assert (
            await socket.ended(session["stream"], retried["run_id"]) == "run.finished"
        )
        state = socket.state(session["stream"])
        await prove_shown_is_stored(model_founder, session["session_id"], state)
        assert state.reply_to(retried["run_id"]) == model.requests[-1].text


async def test_stop_closes_the_request_to_the_model(
    model_founder: FounderClient, model: ModelServer
) -> None:
    session = await model_founder.create_session()
    async with model_founder.following(session["session_id"]) as socket:
        state = socket.state(session["stream"])
        sent = await model_founder.send(session["session_id"], "Go on [tokens:2000]")
        await socket.until(lambda: len(state.seen("message.delta")) > 2)
        answer = await model_founder.post(f"/v1/runs/{sent['run_id']}/cancel")
        assert answer.status_code < httpx.codes.BAD_REQUEST
        await socket.until(lambda: sent["run_id"] in state.run_ends, timeout_seconds=1)
        assert state.run_ends[sent["run_id"]] == "run.cancelled"
        await model.requests[0].ended.wait()
        assert model.requests[0].outcome == "client_closed"
        reply = state.reply_to(sent["run_id"])
        assert reply
        assert model.requests[0].text.startswith(reply)
