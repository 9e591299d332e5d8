"""Runs as orchestrators tell them: each word once, each end once."""

from typing import Any
from uuid import uuid4

import pytest

from services.api_gateway.store import Appended, DispatchPlace, RunProposal
from services.api_gateway.store_sql.tests.bench import (
    OWNER,
    Bench,
    ended,
    numbered,
    opened,
    reply,
    started,
    step,
    step_done,
)
from services.api_gateway.wire.frames import SessionSnapshot
from services.api_gateway.wire.views import MessageStatus, RunError, RunState

LOST = RunError(code="run_lost", detail="gone", retryable=True)


async def test_a_reply_is_joined_from_its_pieces(bench: Bench) -> None:
    await bench.send("hello")
    run_id = await bench.answer("well that is something 😀")
    assert await bench.texts() == [
        ("complete", "hello"),
        ("complete", "well that is something 😀"),
    ]
    run = await bench.store.run(bench.founder_id, run_id)
    assert run.state is RunState.FINISHED
    assert run.crew is not None
    assert (await bench.types())[-1] == "run.finished"


async def test_offsets_that_were_seen_are_skipped(bench: Bench) -> None:
    await bench.send()
    work = await bench.dispatch()
    proposals = numbered([*reply("one two"), ("run.finished", {})])
    for upto in (2, 4, 4, len(proposals)):
        await bench.store.append_run_events(work.run_id, proposals[:upto])
    types = await bench.types()
    assert types.count("message.delta") == 2
    appended = await bench.store.append_run_events(work.run_id, proposals)
    assert appended.is_over
    assert await bench.types() == types


async def test_nothing_is_taken_after_a_gap(bench: Bench) -> None:
    await bench.send()
    work = await bench.dispatch()
    proposals = numbered(reply("one two three"))
    appended = await bench.store.append_run_events(
        work.run_id, [*proposals[:2], *proposals[3:]]
    )
    assert (appended.last_offset, appended.is_over) == (2, False)
    await bench.store.append_run_events(work.run_id, proposals)
    assert ("complete", "one two three") in await bench.texts()


async def test_a_stream_in_progress_is_seen_so_far(bench: Bench) -> None:
    await bench.send("hello")
    work = await bench.dispatch()
    await bench.play(
        work.run_id, started(), step("s1", "coach"), *opened("m", "a ", "b")
    )
    snapshot = await bench.store.snapshot(bench.session.stream)
    assert isinstance(snapshot.data, SessionSnapshot)
    message = snapshot.data.messages[-1]
    assert (message.text, message.status) == ("a b", MessageStatus.STREAMING)
    assert snapshot.seq == (await bench.log())[-1]["seq"]
    (run,) = snapshot.data.runs
    assert run.state is RunState.RUNNING
    assert [one.status for one in run.steps] == ["running"]


async def test_words_of_no_open_message_are_left_out(bench: Bench) -> None:
    await bench.send()
    first = await bench.dispatch()
    await bench.play(first.run_id, *reply("mine", "m1"), ("run.finished", {}))
    await bench.send()
    second = await bench.dispatch()
    stray = {"message_id": "m1", "text": "stolen"}
    appended = await bench.play(
        second.run_id,
        started(),
        ("message.delta", stray),
        ("message.started", {"message_id": "m1", "agent": "coach"}),
        ended("m1", 6),
        ("suggestions", {"message_id": "m1", "suggestions": []}),
        ("no.such.type", {}),
        *opened("m2", "fine"),
        ended("m2", 4),
        ("run.finished", {}),
    )
    assert appended.is_over
    assert [text for _, text in await bench.texts()] == [
        "hello",
        "mine",
        "hello",
        "fine",
    ]


async def test_words_of_a_message_that_never_began_are_not_those_of_the_open_one(
    bench: Bench,
) -> None:
    await bench.send()
    work = await bench.dispatch()
    await bench.play(
        work.run_id,
        started(),
        *opened("m5", "fine"),
        ("message.delta", {"message_id": "m1", "text": "stolen"}),
        ("message.delta", {"message_id": "m9", "text": "stolen"}),
        ended("m5", 4),
        ("run.finished", {}),
    )
    assert [text for _, text in await bench.texts()] == ["hello", "fine"]
    assert "stolen" not in str(await bench.log())


async def test_a_length_that_differs_fails_the_message(bench: Bench) -> None:
    await bench.send("hello")
    work = await bench.dispatch()
    await bench.play(
        work.run_id, *opened("m", "short"), ended("m", 9), ("run.finished", {})
    )
    assert (await bench.texts())[-1] == ("failed", "short")


async def test_a_message_without_words_is_not_kept(bench: Bench) -> None:
    await bench.send("hello")
    work = await bench.dispatch()
    await bench.play(work.run_id, started(), *opened("m"))
    await bench.store.fail_run(work.run_id, LOST)
    assert await bench.texts() == [("complete", "hello")]


async def test_the_end_of_a_run_ends_what_is_open(bench: Bench) -> None:
    ends = {
        "run.cancelled": ({"reason": "founder"}, "cancelled", "cancelled"),
        "run.failed": (LOST.model_dump(), "interrupted", "failed"),
        "run.finished": ({}, "interrupted", "failed"),
    }
    for terminal, (data, message_status, step_status) in ends.items():
        await bench.send("hello")
        work = await bench.dispatch()
        name = str(uuid4())
        await bench.play(
            work.run_id,
            started(),
            step("s1", "coach"),
            *opened(name, "half a "),
            (terminal, data),
        )
        assert (await bench.texts())[-1] == (message_status, "half a ")
        log = await bench.log()
        assert [event["type"] for event in log[-3:]] == [
            "message.finished",
            "step.finished",
            terminal,
        ]
        assert log[-2]["data"]["status"] == step_status


async def test_a_failing_model_fails_the_message(bench: Bench) -> None:
    await bench.send()
    work = await bench.dispatch()
    await bench.play(work.run_id, started(), *opened("m", "half"))
    error = RunError(code="llm_timeout", detail="too slow", retryable=True)
    await bench.store.fail_run(work.run_id, error)
    assert (await bench.texts())[-1] == ("failed", "half")
    run = await bench.store.run(bench.founder_id, work.run_id)
    assert (run.state, run.error) == (RunState.FAILED, error)


async def test_a_run_ends_once(bench: Bench) -> None:
    await bench.send()
    run_id = await bench.answer()
    await bench.store.fail_run(run_id, LOST)
    await bench.store.end_cancelled_run(run_id, "founder")
    assert (await bench.play(run_id, ("run.failed", {}), after=50)).is_over
    assert not await bench.store.record_dispatch(
        run_id, DispatchPlace("elsewhere", "i")
    )
    types = await bench.types()
    assert types.count("run.finished") == 1
    assert "run.failed" not in types


async def test_an_unknown_run_is_over(bench: Bench) -> None:
    unknown = str(uuid4())
    over = Appended(last_offset=0, is_over=True)
    assert await bench.play(unknown, started()) == over
    assert (await bench.store.fail_run(unknown, LOST)).is_over
    assert (await bench.store.end_cancelled_run(unknown, "x")).is_over
    assert not await bench.store.record_dispatch(unknown, DispatchPlace("there", "i"))


async def test_usage_and_suggestions_are_kept(bench: Bench) -> None:
    await bench.send()
    work = await bench.dispatch()
    suggestion = {"label": "Yes", "command": {"type": "message.send", "text": "Yes"}}
    usage = {"model": "default", "prompt_tokens": 7, "completion_tokens": 3}
    await bench.play(
        work.run_id,
        *reply("well", "m"),
        ("suggestions", {"message_id": "m", "suggestions": [suggestion]}),
        ("usage", usage),
        ("usage", usage),
        ("run.finished", {}),
    )
    run = await bench.store.run(bench.founder_id, work.run_id)
    assert (run.prompt_tokens, run.completion_tokens) == (14, 6)
    page = await bench.store.messages(
        bench.founder_id, bench.session_id, before_seq=None, limit=1
    )
    assert [one.model_dump() for one in page.messages[0].suggestions] == [suggestion]


async def test_two_messages_of_one_run_do_not_mix(bench: Bench) -> None:
    await bench.send("hello")
    work = await bench.dispatch()
    await bench.play(
        work.run_id,
        started(),
        *opened("m1", "first "),
        *opened("m2", "second "),
        ("message.delta", {"message_id": "m1", "text": "1"}),
        ("message.delta", {"message_id": "m2", "text": "2"}),
        ended("m1", 7),
        ended("m2", 8),
        ("run.finished", {}),
    )
    assert [text for _, text in await bench.texts()] == [
        "hello",
        "first 1",
        "second 2",
    ]


async def test_step_outputs_are_kept_and_never_shown(bench: Bench) -> None:
    await bench.send()
    work = await bench.dispatch()
    kind, data = step_done("s1")
    await bench.play(work.run_id, started(), step("s1", "research"))
    await bench.store.append_run_events(
        work.run_id, [RunProposal(3, kind, data, output="secret", task="research")]
    )
    assert "secret" not in str(await bench.log())
    assert await bench.store.claim_runnable(OWNER, 1) == []


@pytest.mark.parametrize(
    ("terminal", "status"),
    [
        (("run.cancelled", {"reason": "founder"}), "cancelled"),
        (("run.failed", LOST.model_dump()), "failed"),
    ],
)
async def test_a_tool_call_ends_with_its_run(
    bench: Bench, terminal: tuple[str, dict[str, Any]], status: str
) -> None:
    await bench.send()
    work = await bench.dispatch()
    call = {"step_id": "s1", "tool": "framework_lookup", "title": "Looking"}
    done = {"tool_call_id": "t1", "status": "complete", "duration_ms": 3}
    await bench.play(
        work.run_id,
        started(),
        step("s1", "reply"),
        ("tool.started", {"tool_call_id": "t1", **call}),
        ("tool.finished", done),
        ("tool.started", {"tool_call_id": "t2", **call}),
    )
    bench.clock.seconds += 2
    await bench.play(work.run_id, terminal, after=5)
    *_, tool, step_end, end = await bench.log()
    assert tool["type"] == "tool.finished"
    assert tool["data"] == {
        "tool_call_id": "t2",
        "status": status,
        "duration_ms": 2_000,
    }
    assert (step_end["type"], end["type"]) == ("step.finished", terminal[0])
