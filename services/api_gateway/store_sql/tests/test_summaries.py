"""Older turns folded: what is kept, what is refused, and what a run is given."""

import pytest

from services.api_gateway.store import (
    DispatchPlace,
    RunWork,
    SummaryRow,
    WhenBusy,
)
from services.api_gateway.store_sql.tests.bench import (
    Bench,
    ended,
    opened,
    reply,
    started,
)
from services.api_gateway.wire.views import RunError

_FAILED = RunError(code="llm_timeout", detail="too slow", retryable=True)


def _texts(work: RunWork) -> list[str]:
    return [message.text for message in work.history]


async def _talk(bench: Bench, turns: int) -> None:
    for number in range(turns):
        await bench.send(f"question {number}")
        await bench.answer(f"answer {number}")


async def _fold(bench: Bench, text: str, upto_seq: int) -> RunWork:
    """Answer the next run, proposing a summary after the reply."""
    work = await bench.dispatch()
    await bench.play(
        work.run_id,
        *reply("well"),
        ("summary.updated", {"text": text, "upto_seq": upto_seq}),
        ("run.finished", {}),
    )
    return work


async def _next_work(bench: Bench) -> RunWork:
    await bench.send("next")
    return await bench.dispatch()


async def test_the_next_run_gets_the_summary_and_what_follows_it(bench: Bench) -> None:
    await _talk(bench, 3)
    await bench.send("question 3")
    work = await _fold(bench, "They asked twice.", 0)
    assert [message.seq for message in work.history[:2]] == [work.history[0].seq] * 2
    await bench.send("question 4")
    place = work.history[3].seq
    await _fold(bench, "They asked twice.", place)
    after = await _next_work(bench)
    assert after.summary == SummaryRow("They asked twice.", place)
    assert _texts(after)[0] == "question 2"
    assert len(after.history) == len(work.history) - 4 + 4


async def test_a_summary_is_in_no_log_and_its_offset_counts(bench: Bench) -> None:
    await _talk(bench, 2)
    await bench.send("question 2")
    work = await bench.dispatch()
    folded = {"text": "secret notes", "upto_seq": work.history[1].seq}
    appended = await bench.play(work.run_id, started(), ("summary.updated", folded))
    assert appended.last_offset == 2
    again = await bench.play(work.run_id, started(), ("summary.updated", folded))
    assert again.last_offset == 2
    await bench.play(work.run_id, ("run.finished", {}), after=2)
    assert "secret notes" not in str(await bench.log())
    snapshot = await bench.store.snapshot(bench.session.stream)
    assert "secret notes" not in str(snapshot)


@pytest.mark.parametrize("text", ["", "  ", "x" * 40_001])
async def test_a_summary_without_sense_changes_nothing(bench: Bench, text: str) -> None:
    await _talk(bench, 2)
    await bench.send("question 2")
    await _fold(bench, text, 1)
    assert (await _next_work(bench)).summary is None


async def test_a_summary_covers_no_turn_that_is_not_over(bench: Bench) -> None:
    await _talk(bench, 1)
    await bench.send("question 1")
    work = await bench.dispatch()
    run = await bench.store.run(bench.founder_id, work.run_id)
    await bench.play(
        work.run_id,
        started(),
        ("summary.updated", {"text": "too far", "upto_seq": 10_000}),
        ("run.finished", {}),
    )
    assert run.run_id == work.run_id
    after = await _next_work(bench)
    assert after.summary is None
    assert _texts(after) == ["question 0", "answer 0", "question 1"]


async def test_a_summary_never_goes_back(bench: Bench) -> None:
    await _talk(bench, 3)
    await bench.send("question 3")
    work = await bench.claim()
    places = sorted({message.seq for message in work.history})
    await bench.store.record_dispatch(
        work.run_id, DispatchPlace("there:1", "instance-1")
    )
    await bench.play(
        work.run_id,
        started(),
        ("summary.updated", {"text": "two turns", "upto_seq": places[1]}),
        ("summary.updated", {"text": "one turn", "upto_seq": places[0]}),
        ("run.finished", {}),
    )
    assert (await _next_work(bench)).summary == SummaryRow("two turns", places[1])


async def test_a_message_that_waited_is_not_lost_between_summary_and_history(
    bench: Bench,
) -> None:
    await bench.send("one")
    await bench.send("two")
    await bench.answer("to one")
    await bench.answer("to two")
    await bench.send("three")
    work = await bench.dispatch()
    assert _texts(work) == ["one", "to one", "two", "to two"]
    first_turn = work.history[1].seq
    await bench.play(
        work.run_id,
        *reply("to three"),
        ("summary.updated", {"text": "one was said", "upto_seq": first_turn}),
        ("run.finished", {}),
    )
    assert _texts(await _next_work(bench)) == ["two", "to two", "three", "to three"]


async def test_a_retry_folds_nothing_of_the_question_it_answers(bench: Bench) -> None:
    await _talk(bench, 1)
    asked = await bench.send("question 1")
    work = await bench.dispatch()
    await bench.play(work.run_id, started(), *opened("m1", "half"))
    await bench.store.fail_run(work.run_id, _FAILED)
    await bench.store.retry_run(bench.key("run.retry", "r"), asked.run_id)
    retried = await bench.dispatch()
    assert _texts(retried) == ["question 0", "answer 0"]
    place = retried.history[-1].seq
    await bench.play(
        retried.run_id,
        started(),
        ("summary.updated", {"text": "with the question", "upto_seq": place + 10}),
        ("summary.updated", {"text": "before it", "upto_seq": place}),
        *opened("m2", "better"),
        ended("m2", 6),
        ("run.finished", {}),
    )
    after = await _next_work(bench)
    assert after.summary == SummaryRow("before it", place)
    assert _texts(after) == ["question 1", "better"]


async def test_turns_without_room_come_oldest_first_to_be_folded(bench: Bench) -> None:
    for number in range(10):
        await bench.send(f"{number}" * 7_000)
        await bench.answer("ok")
    work = await _next_work(bench)
    kept = [message.text[0] for message in work.history if message.text != "ok"]
    folded = [message.text[0] for message in work.backlog if message.text != "ok"]
    assert folded == ["0"], "whole turns, without those the history may begin with"
    assert kept == list("23456789")
    assert work.backlog[-1].text == "ok"
    assert work.backlog[-1].seq < work.history[0].seq


async def test_copies_in_a_branch_are_folded_like_any_turn(bench: Bench) -> None:
    await _talk(bench, 3)
    asked = await bench.send("question 3")
    await bench.answer("answer 3")
    key = bench.key("session.branch", "b")
    branch = await bench.store.branch_session(
        key, bench.session_id, asked.message_id, "another question"
    )
    work = await bench.dispatch()
    assert work.session_id == branch.session.session_id
    assert _texts(work)[:2] == ["question 0", "answer 0"]
    place = work.history[3].seq
    await bench.play(
        work.run_id,
        *reply("well"),
        ("summary.updated", {"text": "two questions", "upto_seq": place}),
        ("run.finished", {}),
    )
    await bench.store.accept_message(
        bench.key("message.send", "m"), work.session_id, "next", WhenBusy.WAIT
    )
    after = await bench.dispatch()
    assert after.summary == SummaryRow("two questions", place)
    assert _texts(after) == ["question 2", "answer 2", "another question", "well"]


async def test_a_deleted_session_takes_its_summary_along(bench: Bench) -> None:
    await _talk(bench, 2)
    await bench.send("question 2")
    work = await _fold(bench, "notes", 0)
    await bench.send("question 3")
    await _fold(bench, "notes", work.history[0].seq)
    await bench.store.delete_session(bench.key("session.delete"), bench.session_id)
    with pytest.raises(Exception, match="session"):
        await bench.store.session(bench.founder_id, bench.session_id)
