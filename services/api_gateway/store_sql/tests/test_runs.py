"""Runs in their queue: claimed, leased, stopped and tried again."""

from uuid import uuid4

import pytest

from services.api_gateway.errors import NotRetryableRunError
from services.api_gateway.store import (
    DispatchPlace,
    NewSession,
    RunProposal,
    RunWork,
)
from services.api_gateway.store_sql.tests.bench import (
    OWNER,
    Bench,
    ended,
    opened,
    reply,
    started,
    step,
    step_done,
)
from services.api_gateway.wire.views import RunError, RunState

FAILED = RunError(code="llm_timeout", detail="too slow", retryable=True)
LEASE_SECONDS = 15


def said(work: RunWork) -> list[str]:
    """The texts of a run's history."""
    return [message.text for message in work.history]


async def test_a_run_is_claimed_once_and_one_per_session(bench: Bench) -> None:
    first = await bench.send("one")
    await bench.send("two")
    claimed = await bench.store.claim_runnable(OWNER, 10)
    assert [work.run_id for work in claimed] == [first.run_id]
    assert await bench.store.claim_runnable("gateway-2", 10) == []


async def test_the_end_of_a_run_makes_the_next_one_runnable(bench: Bench) -> None:
    await bench.send("one")
    second = await bench.send("two")
    work = await bench.dispatch()
    appended = await bench.play(work.run_id, *reply("well"), ("run.finished", {}))
    assert appended.has_runnable
    assert (await bench.claim()).run_id == second.run_id


async def test_history_is_by_run_and_leaves_out_what_waits(bench: Bench) -> None:
    await bench.send("one")
    await bench.send("two")
    await bench.send("three")
    await bench.answer("to one")
    work = await bench.claim()
    assert (work.text, said(work)) == ("two", ["one", "to one"])


async def test_history_keeps_partial_words_and_drops_superseded(bench: Bench) -> None:
    await bench.send("one")
    work = await bench.dispatch()
    await bench.play(work.run_id, started(), *opened("m1", "half"))
    await bench.store.fail_run(work.run_id, FAILED)
    await bench.send("two")
    assert said(await bench.dispatch()) == ["one", "half"]


async def test_history_is_bounded(bench: Bench) -> None:
    for number in range(10):
        await bench.send(f"{number}" * 8_000)
        await bench.answer("ok")
    await bench.send("last")
    history = (await bench.claim()).history
    assert sum(len(message.text) for message in history) <= 60_000
    assert history[-1].text == "ok"
    assert len(history) == 15


async def test_a_waiting_run_is_cancelled_at_once(bench: Bench) -> None:
    await bench.send("one")
    second = await bench.send("two")
    third = await bench.send("three")
    decision = await bench.store.cancel_run(bench.key("run.cancel", "c"), second.run_id)
    assert decision.active is None
    assert decision.accepted.state is RunState.CANCELLED
    log = await bench.log()
    assert [event["type"] for event in log[-2:]] == ["run.cancelled", "message.queued"]
    assert log[-1]["data"] == {"message_id": third.message_id, "position": 1}
    assert log[-2]["data"] == {"reason": "founder"}
    again = await bench.store.cancel_run(bench.key("run.cancel", "c"), second.run_id)
    assert again == decision


async def test_a_waiting_run_says_who_stopped_it(bench: Bench) -> None:
    await bench.send("one")
    second = await bench.send("two")
    key = bench.key("run.cancel")
    await bench.store.cancel_run(key, second.run_id, "interrupted")
    [event] = [each for each in await bench.log() if each["type"] == "run.cancelled"]
    assert event["data"] == {"reason": "interrupted"}


async def test_a_claimed_run_that_is_cancelled_is_not_dispatched(bench: Bench) -> None:
    await bench.send()
    work = await bench.claim()
    await bench.store.cancel_run(bench.key("run.cancel"), work.run_id)
    assert not await bench.store.record_dispatch(
        work.run_id, DispatchPlace("there", "i")
    )


async def test_a_run_is_dispatched_with_its_claim_while_there_are_places(
    bench: Bench,
) -> None:
    await bench.send()
    bench.clock.seconds += 1
    other = await bench.store.create_session(
        bench.key("session.create"), NewSession(title=None, has_opening=True)
    )
    place = DispatchPlace("there:1", "instance-1")
    first, second = await bench.store.claim_runnable(OWNER, 2, [place])
    assert (first.place, second.place) == (place, None)
    assert second.session_id == other.session.session_id
    decision = await bench.store.cancel_run(bench.key("run.cancel"), first.run_id)
    assert decision.active is not None
    assert decision.active.address == "there:1"
    decision = await bench.store.cancel_run(bench.key("run.cancel"), second.run_id)
    assert decision.active is None


async def test_a_dispatched_run_is_marked_to_be_stopped(bench: Bench) -> None:
    await bench.send()
    work = await bench.dispatch()
    decision = await bench.store.cancel_run(bench.key("run.cancel"), work.run_id)
    assert decision.active is not None
    assert decision.active.is_cancel_requested
    assert decision.accepted.state is RunState.DISPATCHED
    await bench.store.end_cancelled_run(work.run_id, "founder")
    over = await bench.store.cancel_run(bench.key("run.cancel"), work.run_id)
    assert (over.active, over.accepted.state) == (None, RunState.CANCELLED)


async def test_a_run_that_has_begun_is_not_dispatched_again(bench: Bench) -> None:
    await bench.send()
    work = await bench.dispatch()
    assert await bench.store.record_dispatch(
        work.run_id, DispatchPlace("there:2", "instance-2")
    )
    await bench.play(work.run_id, started())
    assert not await bench.store.record_dispatch(
        work.run_id, DispatchPlace("there:3", "instance-3")
    )


async def test_leases_that_ended_are_taken_over(bench: Bench) -> None:
    await bench.send()
    work = await bench.dispatch()
    await bench.play(work.run_id, started())
    assert await bench.store.adopt_runs("gateway-2") == []
    bench.clock.seconds += LEASE_SECONDS - 1
    await bench.store.renew_leases(OWNER)
    bench.clock.seconds += LEASE_SECONDS - 1
    assert await bench.store.adopt_runs("gateway-2") == []
    bench.clock.seconds += 2
    (adopted,) = await bench.store.adopt_runs("gateway-2")
    assert (adopted.run_id, adopted.last_offset) == (work.run_id, 1)
    assert (adopted.address, adopted.instance_id) == ("there:1", "instance-1")
    assert await bench.store.adopt_runs("gateway-3") == []


async def test_a_claim_without_dispatch_is_free_when_its_lease_ends(
    bench: Bench,
) -> None:
    await bench.send()
    work = await bench.claim()
    bench.clock.seconds += LEASE_SECONDS + 1
    assert await bench.store.adopt_runs("gateway-2") == []
    assert (await bench.claim()).run_id == work.run_id


async def test_a_retry_answers_the_same_message_anew(bench: Bench) -> None:
    await bench.send("zero")
    await bench.answer("to zero")
    accepted = await bench.send("one")
    work = await bench.dispatch()
    await bench.play(work.run_id, started(), *opened("m1", "half"))
    await bench.store.fail_run(work.run_id, FAILED)
    retried = await bench.store.retry_run(bench.key("run.retry", "a"), work.run_id)
    assert retried.state is RunState.QUEUED
    log = await bench.log()
    assert log[-2]["data"] == {
        "message_id": "m1",
        "status": "superseded",
        "length": 4,
    }
    assert log[-1]["data"] == {
        "run_id": retried.run_id,
        "trigger": "message",
        "message_id": accepted.message_id,
        "parent_run_id": work.run_id,
    }
    again = await bench.store.retry_run(bench.key("run.retry", "b"), work.run_id)
    assert again.run_id == retried.run_id
    claimed = await bench.dispatch()
    assert (claimed.text, said(claimed)) == ("one", ["zero", "to zero"])
    await bench.play(claimed.run_id, *reply("whole"), ("run.finished", {}))
    assert await bench.texts() == [
        ("complete", "zero"),
        ("complete", "to zero"),
        ("complete", "one"),
        ("superseded", "half"),
        ("complete", "whole"),
    ]
    await bench.send("two")
    assert said(await bench.claim()) == ["zero", "to zero", "one", "whole"]


async def test_only_the_last_run_that_went_wrong_is_retried(bench: Bench) -> None:
    async def refused(run_id: str) -> bool:
        with pytest.raises(NotRetryableRunError):
            await bench.store.retry_run(bench.key("run.retry"), run_id)
        return True

    first = await bench.send("one")
    assert await refused(first.run_id)
    await bench.store.cancel_run(bench.key("run.cancel"), first.run_id)
    second = await bench.send("two")
    assert await refused(first.run_id)
    await bench.answer()
    assert await refused(second.run_id)


async def test_a_retry_behind_a_running_one_waits(bench: Bench) -> None:
    await bench.send("one")
    await bench.dispatch()
    second = await bench.send("two")
    await bench.store.cancel_run(bench.key("run.cancel"), second.run_id)
    retried = await bench.store.retry_run(bench.key("run.retry"), second.run_id)
    log = await bench.log()
    assert log[-1]["data"] == {"message_id": second.message_id, "position": 1}
    run = await bench.store.run(bench.founder_id, retried.run_id)
    assert (run.position, run.parent_run_id) == (1, second.run_id)


async def _fail_after(
    bench: Bench, *, tasks: list[tuple[str, str | None]], message_id: str
) -> str:
    """Play complete steps, (task, words said in it), and fail; the run's id."""
    work = await bench.dispatch()
    proposals: list[tuple[str, dict[str, object]]] = [started()]
    for task, words in tasks:
        proposals.append(step(f"step-{task}", task))
        if words is not None:
            proposals += [*opened(message_id, words), ended(message_id, len(words))]
        proposals.append(step_done(f"step-{task}"))
    await bench.store.append_run_events(
        work.run_id,
        [
            RunProposal(offset, kind, data, output=f"{kind} {offset}")
            for offset, (kind, data) in enumerate(proposals, 1)
        ],
    )
    await bench.store.fail_run(work.run_id, FAILED)
    return work.run_id


async def test_a_retry_is_given_the_steps_that_need_not_be_paid_again(
    bench: Bench,
) -> None:
    await bench.send()
    parent = await _fail_after(
        bench,
        tasks=[("research", None), ("reply", "well"), ("suggest", None)],
        message_id=str(uuid4()),
    )
    retried = await bench.store.retry_run(bench.key("run.retry"), parent)
    work = await bench.dispatch()
    assert [(done.task, done.output) for done in work.finished_steps] == [
        ("research", "step.finished 3")
    ]
    await bench.play(work.run_id, started())
    await bench.store.fail_run(retried.run_id, FAILED)
    await bench.store.retry_run(bench.key("run.retry"), retried.run_id)
    assert [done.task for done in (await bench.claim()).finished_steps] == ["research"]
