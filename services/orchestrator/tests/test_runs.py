"""Runs over real sockets: executed once, watched by anybody, ended exactly once."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from libs.errors import ErrorKind
from libs.rpc import RemoteError
from services.orchestrator.engine import RunPlan, Speaker
from services.orchestrator.errors import LLMRateLimitedError
from services.orchestrator.tests.caller import TERMINAL, Caller, Reading
from services.orchestrator.tests.conftest import Serve
from services.orchestrator.tests.crews import DOCUMENTS, write_documents
from services.orchestrator.tests.scripted_engine import (
    Call,
    Fail,
    Pause,
    Say,
    Script,
    ScriptedEngine,
    WaitFor,
)
from venturebots.orchestrator.v1 import orchestrator_service_pb2 as pb


@pytest.fixture
def gate() -> asyncio.Event:
    """What a held run waits for."""
    return asyncio.Event()


@pytest.fixture
def held(gate: asyncio.Event) -> ScriptedEngine:
    """An engine whose runs speak, wait for the gate and speak on."""

    def script(_plan: RunPlan) -> Script:
        return [Say(["Hel"]), WaitFor(gate), Say(["lo."])]

    return ScriptedEngine(script)


def assert_well_formed(reading: Reading) -> None:
    """Check offsets and that exactly the last event is terminal."""
    offsets = [event.offset for event in reading.events]
    assert offsets == list(range(1, len(offsets) + 1))
    assert [kind in TERMINAL for kind in reading.kinds] == [
        *[False] * (len(offsets) - 1),
        True,
    ]


async def test_a_run_streams_its_events_in_order(
    serve: Serve, engine: ScriptedEngine
) -> None:
    orchestrator, caller = await serve(engine)
    reading = caller.run("r1")
    await reading.end()
    assert_well_formed(reading)
    assert reading.text == "Hello founder."
    assert reading.kinds[:3] == ["run_started", "step_started", "message_started"]
    assert reading.kinds[-5:] == [
        "usage",
        "message_finished",
        "suggestions",
        "step_finished",
        "run_finished",
    ]
    started = reading.events[0].run_started
    assert started.instance_id == orchestrator.instance_id
    assert started.crew == "coaching"
    assert started.digest.startswith("sha256:")
    assert dict(started.generations) == {
        "ModelProvider/simulated": 1,
        "Tool/explain-framework": 1,
        "GuardrailPolicy/strict": 1,
    }
    finished = await reading.until("message_finished")
    assert finished.message_finished.length == len("Hello founder.")


async def test_what_the_gateway_knows_reaches_the_engine(
    serve: Serve, engine: ScriptedEngine
) -> None:
    _, caller = await serve(engine)
    await caller.run(
        "r1",
        text="And now?",
        extra=pb.RunRequest(
            history=[
                pb.HistoryMessage(role=pb.ROLE_FOUNDER, text="Hi"),
                pb.HistoryMessage(role=pb.ROLE_COACH, text="Hello"),
            ],
            summary=pb.Summary(text="They met.", upto_seq=3),
            finished_steps=[pb.FinishedStep(task="other", output="done")],
        ),
    ).end()
    opening = pb.RunRequest(opening=pb.OpeningTrigger())
    await caller.run("r2", extra=opening).end()
    first, second = engine.plans
    assert [(entry.speaker, entry.text) for entry in first.history] == [
        (Speaker.FOUNDER, "Hi"),
        (Speaker.COACH, "Hello"),
    ]
    assert (first.message, first.summary) == ("And now?", "They met.")
    assert first.finished_steps == {"other": "done"}
    assert (second.message, second.crew.name) == (None, "welcome")


async def test_a_repeated_run_attaches_and_is_executed_once(
    serve: Serve, held: ScriptedEngine, gate: asyncio.Event
) -> None:
    _, caller = await serve(held)
    first = caller.run("r1")
    await first.until("message_delta")
    second = caller.run("r1", text="something else")
    await second.until("message_delta")
    gate.set()
    assert await first.end() == await second.end()
    third = caller.run("r1")
    assert await third.end() == first.events
    assert held.executions == {"r1": 1}


async def test_losing_the_call_does_not_stop_the_run(
    serve: Serve, held: ScriptedEngine, gate: asyncio.Event
) -> None:
    _, caller = await serve(held)
    first = caller.run("r1")
    await first.until("message_delta")
    await first.close()
    gate.set()
    again = caller.watch("r1")
    await again.end()
    assert_well_formed(again)
    assert again.text == "Hello."
    assert held.cancelled == set()


async def test_watching_after_an_offset_replays_exactly_what_follows(
    serve: Serve, engine: ScriptedEngine
) -> None:
    _, caller = await serve(engine)
    reading = caller.run("r1")
    events = await reading.end()
    for offset in range(len(events) + 1):
        assert await caller.watch("r1", offset).end() == events[offset:]


async def test_a_run_can_be_cancelled_while_it_streams(
    serve: Serve, held: ScriptedEngine
) -> None:
    _, caller = await serve(held)
    reading = caller.run("r1")
    await reading.until("message_delta")
    assert await caller.cancel("r1") == pb.RUN_STATE_ACTIVE
    await reading.end()
    assert_well_formed(reading)
    assert reading.events[-1].run_cancelled.reason == "founder"
    finished = await reading.until("message_finished")
    assert finished.message_finished.status == pb.MESSAGE_STATUS_CANCELLED
    step = await reading.until("step_finished")
    assert step.step_finished.status == pb.STEP_STATUS_CANCELLED
    assert held.cancelled == {"r1"}
    assert (await caller.get("r1")).state == pb.RUN_STATE_CANCELLED


async def test_cancelling_twice_or_after_the_end_changes_nothing(
    serve: Serve, held: ScriptedEngine, gate: asyncio.Event
) -> None:
    _, caller = await serve(held)
    reading = caller.run("r1")
    await reading.until("message_delta")
    await asyncio.gather(caller.cancel("r1"), caller.cancel("r1", "other"))
    events = await reading.end()
    assert await caller.cancel("r1", "late") == pb.RUN_STATE_CANCELLED
    assert await caller.watch("r1").end() == events
    gate.set()
    other = caller.run("r2")
    await other.end()
    assert await caller.cancel("r2") == pb.RUN_STATE_FINISHED
    assert other.kinds[-1] == "run_finished"


async def test_a_failure_is_told_with_its_code(serve: Serve) -> None:
    error = LLMRateLimitedError("slow down", retry_after_ms=700)
    _, caller = await serve(ScriptedEngine(lambda _: [Say(["We"]), Fail(error)]))
    reading = caller.run("r1")
    await reading.end()
    assert_well_formed(reading)
    told = reading.events[-1].run_failed.error
    assert (told.code, told.detail) == ("llm_rate_limited", "slow down")
    assert (told.retryable, told.retry_after_ms) == (True, 700)


async def test_an_unforeseen_failure_hides_its_text(serve: Serve) -> None:
    bug = KeyError("secret of the house")
    _, caller = await serve(ScriptedEngine(lambda _: [Fail(bug)]))
    reading = caller.run("r1")
    await reading.end()
    assert_well_formed(reading)
    told = reading.events[-1].run_failed.error
    assert told.code == "run_failed"
    assert "secret" not in told.detail


@pytest.mark.parametrize("retry_after_ms", [2**32, 10**30, -1])
async def test_a_delay_no_message_can_hold_still_ends_the_run(
    serve: Serve, retry_after_ms: int
) -> None:
    error = LLMRateLimitedError("slow down", retry_after_ms=retry_after_ms)
    orchestrator, caller = await serve(ScriptedEngine(lambda _: [Fail(error)]))
    reading = caller.run("r1")
    await reading.end()
    assert_well_formed(reading)
    assert reading.events[-1].run_failed.error.code == "llm_rate_limited"
    await orchestrator.stop(grace_seconds=0)


async def test_an_event_no_message_can_hold_still_ends_the_run(serve: Serve) -> None:
    bad = LLMRateLimitedError("half a \ud83d character")
    orchestrator, caller = await serve(
        ScriptedEngine(lambda _: [Say(["We"]), Fail(bad)])
    )
    reading = caller.run("r1")
    await reading.end()
    assert_well_formed(reading)
    assert reading.events[-1].run_failed.error.code == "run_failed"
    assert reading.kinds.count("step_finished") == 1
    await orchestrator.stop(grace_seconds=0)


async def test_a_passed_deadline_ends_the_run(
    serve: Serve, held: ScriptedEngine
) -> None:
    _, caller = await serve(held)
    soon = datetime.now(UTC) + timedelta(milliseconds=300)
    reading = caller.run("r1", deadline=soon)
    await reading.end()
    assert_well_formed(reading)
    assert reading.events[-1].run_failed.error.code == "run_timeout"
    finished = await reading.until("message_finished")
    assert finished.message_finished.status == pb.MESSAGE_STATUS_CANCELLED


async def test_the_strictest_policy_bounds_the_run(
    serve: Serve, held: ScriptedEngine, documents: Path
) -> None:
    write_documents(
        documents.parent,
        DOCUMENTS.replace("runTimeoutSeconds: 30", "runTimeoutSeconds: 1"),
    )
    _, caller = await serve(held)
    reading = caller.run("r1")
    await reading.end()
    assert_well_formed(reading)
    assert reading.events[-1].run_failed.error.code == "run_timeout"
    assert (await caller.crews()).crews[0].description == "Answers"


async def test_pieces_that_come_fast_are_joined(serve: Serve) -> None:
    words = [f"word{n} " for n in range(200)]
    script: Script = [Say(words[:1]), Say(words[1:]), Call("t")]
    _, caller = await serve(ScriptedEngine(lambda _: script))
    reading = caller.run("r1")
    await reading.end()
    assert reading.text == "".join(words)
    deltas = reading.kinds.count("message_delta")
    assert 2 <= deltas <= 20
    first = await reading.until("message_delta")
    assert first.message_delta.text == words[0]
    assert reading.kinds.index("tool_started") > max(
        index for index, kind in enumerate(reading.kinds) if kind == "message_delta"
    )


async def test_pieces_that_come_slowly_are_not_held_back(serve: Serve) -> None:
    script: Script = [
        Say(["one "]),
        Pause(0.12),
        Say(["two "]),
        Pause(0.12),
        Say(["three"]),
    ]
    _, caller = await serve(ScriptedEngine(lambda _: script))
    reading = caller.run("r1")
    await reading.end()
    assert reading.kinds.count("message_delta") == 3


async def test_a_run_for_another_process_is_not_executed(
    serve: Serve, engine: ScriptedEngine
) -> None:
    orchestrator, caller = await serve(engine)
    elsewhere = pb.RunRequest(expected_instance_id="another")
    with pytest.raises(RemoteError) as caught:
        await caller.run("r1", extra=elsewhere).end()
    assert caught.value.kind is ErrorKind.PRECONDITION
    assert caught.value.code == "instance_mismatch"
    assert not engine.executions
    with pytest.raises(RemoteError) as caught:
        await caller.get("r1")
    assert caught.value.code == "run_unknown"
    here = pb.RunRequest(expected_instance_id=orchestrator.instance_id)
    await caller.run("r1", extra=here).end()
    assert engine.executions == {"r1": 1}


@pytest.mark.parametrize(
    "call",
    [
        lambda caller: caller.watch("r1").end(),
        lambda caller: caller.cancel("r1"),
        lambda caller: caller.get("r1"),
    ],
    ids=["watch", "cancel", "get"],
)
async def test_an_unknown_run_is_not_found(
    serve: Serve, engine: ScriptedEngine, call: Callable[[Caller], Awaitable[object]]
) -> None:
    _, caller = await serve(engine)
    with pytest.raises(RemoteError) as caught:
        await call(caller)
    assert caught.value.kind is ErrorKind.NOT_FOUND
    assert caught.value.code == "run_unknown"


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        (pb.RunRequest(crew="nobody"), "crew_unknown"),
        (pb.RunRequest(history=[pb.HistoryMessage(text="x")]), "invalid_run"),
        (pb.RunRequest(founder_ref="f" * 201), "invalid_run"),
    ],
)
async def test_a_senseless_request_is_refused(
    serve: Serve, engine: ScriptedEngine, extra: pb.RunRequest, code: str
) -> None:
    _, caller = await serve(engine)
    with pytest.raises(RemoteError) as caught:
        await caller.run("r1", extra=extra).end()
    assert caught.value.kind is ErrorKind.INVALID
    assert caught.value.code == code
    assert not engine.executions
