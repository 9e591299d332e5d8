"""What founders command: stored once, shown to them alone."""

import asyncio
from uuid import uuid4

import pytest

from services.api_gateway.errors import (
    InvalidCommandError,
    MessageUnknownError,
    NotRatableError,
    QueueFullError,
    RequestIdReusedError,
    RunUnknownError,
    SessionBusyError,
    SessionUnknownError,
    StreamUnknownError,
)
from services.api_gateway.store import CommandKey, NewSession, WhenBusy
from services.api_gateway.store_sql.tests.bench import Bench
from services.api_gateway.wire.events import event_adapter
from services.api_gateway.wire.frames import FounderSnapshot
from services.api_gateway.wire.views import FeedbackValue, Role


async def test_a_founder_is_found_by_the_hash_of_their_token(bench: Bench) -> None:
    made = await bench.store.create_founder("hash")
    assert await bench.store.founder_by_token("hash") == made
    assert await bench.store.create_founder("hash") == made
    assert await bench.store.founder_by_token("other") is None


async def test_a_new_session_opens_with_a_run_in_both_streams(bench: Bench) -> None:
    made = await bench.store.create_session(
        bench.key("session.create", "1"), NewSession("Receipts", has_opening=True)
    )
    log = await bench.log(made.session.stream)
    assert [event["type"] for event in log] == ["session.created", "run.created"]
    assert log[1]["data"]["trigger"] == "opening"
    assert (made.seq, made.session.title) == (2, "Receipts")
    founder_log = await bench.log(f"founder:{bench.founder_id}")
    assert founder_log[-1]["data"]["session"]["session_id"] == made.session.session_id
    work = await bench.claim()
    assert (work.run_id, work.text, work.history) == (made.run_id, None, ())


async def test_the_same_request_gives_the_first_result(bench: Bench) -> None:
    key = bench.key("session.create", "1", body="a")
    first = await bench.store.create_session(key, NewSession(None, has_opening=True))
    again = await bench.store.create_session(key, NewSession(None, has_opening=True))
    assert again.is_repeat
    assert (again.session, again.run_id) == (first.session, first.run_id)
    with pytest.raises(RequestIdReusedError):
        await bench.store.create_session(
            bench.key("session.create", "1", body="b"), NewSession(None, True)
        )
    await bench.store.accept_message(
        bench.key("message.send", "1"), bench.session_id, "hello", WhenBusy.WAIT
    )


async def test_a_hundred_identical_messages_at_once_are_one(bench: Bench) -> None:
    key = bench.key("message.send", str(uuid4()))
    accepted = await asyncio.gather(
        *(
            bench.store.accept_message(key, bench.session_id, "hi", WhenBusy.WAIT)
            for _ in range(100)
        )
    )
    assert len({one.message_id for one in accepted}) == 1
    assert await bench.texts() == [("complete", "hi")]


async def test_forgotten_requests_are_new_again(bench: Bench) -> None:
    key = bench.key("message.send", "1")
    send = bench.store.accept_message
    first = await send(key, bench.session_id, "hi", WhenBusy.WAIT)
    bench.clock.seconds += 100
    assert await bench.store.forget_requests(older_than_seconds=101) == 0
    assert await bench.store.forget_requests(older_than_seconds=99) == 1
    second = await send(key, bench.session_id, "hi", WhenBusy.WAIT)
    assert second.message_id != first.message_id


async def test_the_first_message_names_the_session(bench: Bench) -> None:
    words = "I keep losing receipts and my accountant is furious with me every month"
    await bench.send(f"{words}\nand more")
    session = await bench.store.session(bench.founder_id, bench.session_id)
    assert session.title == (
        "I keep losing receipts and my accountant is furious with me"
    )
    await bench.send("second")
    again = await bench.store.session(bench.founder_id, bench.session_id)
    assert again.title == session.title
    updates = [event for event in await bench.log() if event["type"].endswith("ated")]
    assert [event["type"] for event in updates].count("session.updated") == 1


async def test_a_title_without_a_space_is_cut_hard(bench: Bench) -> None:
    await bench.send("x" * 200)
    session = await bench.store.session(bench.founder_id, bench.session_id)
    assert session.title == "x" * 60


async def test_messages_wait_up_to_the_bound_and_move_up(bench: Bench) -> None:
    accepted = [await bench.send(str(number)) for number in range(4)]
    assert [one.position for one in accepted] == [None, 1, 2, 3]
    with pytest.raises(QueueFullError):
        await bench.send("one too many")
    await bench.answer()
    queued = [e["data"] for e in await bench.log() if e["type"] == "message.queued"]
    assert [(data["message_id"], data["position"]) for data in queued[3:]] == [
        (accepted[2].message_id, 1),
        (accepted[3].message_id, 2),
    ]
    assert (await bench.claim()).run_id == accepted[1].run_id
    last = await bench.store.run(bench.founder_id, accepted[3].run_id)
    assert last.position == 2


async def test_a_busy_session_can_refuse_instead(bench: Bench) -> None:
    await bench.send(when_busy=WhenBusy.REFUSE)
    with pytest.raises(SessionBusyError):
        await bench.send(when_busy=WhenBusy.REFUSE)
    assert (await bench.send(when_busy=WhenBusy.INTERRUPT)).position == 1


async def test_rename_and_archive_are_told_once_each(bench: Bench) -> None:
    async def update(title: str | None, is_archived: bool | None) -> int:  # noqa: FBT001 - both as the port has them
        result = await bench.store.update_session(
            bench.key("session.update"),
            bench.session_id,
            title=title,
            is_archived=is_archived,
        )
        return result.seq

    assert await update("Receipts", None) == 2
    assert await update("Receipts", None) == 2
    assert await update(None, True) == 3
    page = await bench.store.sessions(
        bench.founder_id, cursor=None, limit=9, is_archived=True, title_query=None
    )
    assert [session.title for session in page.sessions] == ["Receipts"]
    last = (await bench.log())[-1]
    assert last["data"]["session"]["last_seq"] == last["seq"] == 3


async def test_sessions_are_paged_by_last_use_and_searched(bench: Bench) -> None:
    for number in range(5):
        bench.clock.seconds += 1
        await bench.store.create_session(
            bench.key("session.create"), NewSession(f"Idée {number}", False)
        )
    bench.clock.seconds += 1
    await bench.send("Receipts")
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await bench.store.sessions(
            bench.founder_id,
            cursor=cursor,
            limit=2,
            is_archived=False,
            title_query=None,
        )
        seen += [session.title for session in page.sessions]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ["Receipts", *(f"Idée {number}" for number in (4, 3, 2, 1, 0))]
    found = await bench.store.sessions(
        bench.founder_id, cursor=None, limit=9, is_archived=False, title_query="IDÉE 3"
    )
    assert [session.title for session in found.sessions] == ["Idée 3"]
    snapshot = await bench.store.snapshot(f"founder:{bench.founder_id}")
    assert isinstance(snapshot.data, FounderSnapshot)
    assert [session.title for session in snapshot.data.sessions] == seen
    with pytest.raises(InvalidCommandError):
        await bench.store.sessions(
            bench.founder_id, cursor="zzz", limit=2, is_archived=False, title_query=None
        )


async def test_messages_are_paged_backwards(bench: Bench) -> None:
    for number in range(3):
        await bench.send(f"question {number}")
        await bench.answer(f"answer {number}")
    page = await bench.store.messages(
        bench.founder_id, bench.session_id, before_seq=None, limit=2
    )
    assert [message.text for message in page.messages] == ["question 2", "answer 2"]
    assert page.has_more
    assert page.last_seq == (await bench.log())[-1]["seq"]
    older = await bench.store.messages(
        bench.founder_id,
        bench.session_id,
        before_seq=page.messages[0].seq,
        limit=10,
    )
    assert [message.text for message in older.messages] == [
        "question 0",
        "answer 0",
        "question 1",
        "answer 1",
    ]
    assert not older.has_more


async def test_a_deleted_session_leaves_nothing_but_the_news(bench: Bench) -> None:
    request_id = str(uuid4())
    key = bench.key("message.send", request_id)
    await bench.store.accept_message(key, bench.session_id, "hi", WhenBusy.WAIT)
    work = await bench.dispatch()
    await bench.play(work.run_id)
    deleted = await bench.store.delete_session(
        bench.key("session.delete", "d"), bench.session_id
    )
    assert [active.run_id for active in deleted.active_runs] == [work.run_id]
    assert bench.published.ended == [bench.session.stream]
    assert bench.published.events[-1].type == "session.deleted"
    assert await bench.log() == []
    for attempt in (
        bench.store.session(bench.founder_id, bench.session_id),
        bench.store.accept_message(key, bench.session_id, "hi", WhenBusy.WAIT),
    ):
        with pytest.raises(SessionUnknownError):
            await attempt
    with pytest.raises(StreamUnknownError):
        await bench.store.snapshot(bench.session.stream)
    appended = await bench.play(work.run_id, ("run.finished", {}))
    assert appended.is_over
    again = await bench.store.delete_session(
        bench.key("session.delete", "d"), bench.session_id
    )
    assert again.founder_seq == deleted.founder_seq


async def test_only_the_coach_is_rated(bench: Bench) -> None:
    accepted = await bench.send()
    await bench.answer("well")
    page = await bench.store.messages(
        bench.founder_id, bench.session_id, before_seq=None, limit=9
    )
    reply = next(one for one in page.messages if one.role is Role.COACH)
    key = bench.key("message.feedback", "f")
    seq = await bench.store.rate_message(key, reply.message_id, FeedbackValue.UP, "ok")
    assert seq == (await bench.log())[-1]["seq"]
    with pytest.raises(NotRatableError):
        await bench.store.rate_message(
            bench.key("message.feedback"), accepted.message_id, FeedbackValue.UP, None
        )


async def test_another_founders_things_are_unknown(bench: Bench) -> None:
    accepted = await bench.send()
    run_id = await bench.answer("well")
    other = await bench.store.create_founder("other")
    key = CommandKey(other.founder_id, "any", None, "")
    store = bench.store
    assert not await store.owns_stream(other.founder_id, bench.session.stream)
    assert await store.owns_stream(bench.founder_id, bench.session.stream)
    for attempt in (
        store.session(other.founder_id, bench.session_id),
        store.delete_session(key, bench.session_id),
        store.update_session(key, bench.session_id, title="x", is_archived=None),
        store.accept_message(key, bench.session_id, "hi", WhenBusy.WAIT),
        store.messages(other.founder_id, bench.session_id, before_seq=None, limit=9),
    ):
        with pytest.raises(SessionUnknownError):
            await attempt
    for run_attempt in (
        store.run(other.founder_id, run_id),
        store.cancel_run(key, run_id),
        store.retry_run(key, run_id),
    ):
        with pytest.raises(RunUnknownError):
            await run_attempt
    with pytest.raises(MessageUnknownError):
        await store.rate_message(key, accepted.message_id, FeedbackValue.UP, None)
    page = await store.sessions(
        other.founder_id, cursor=None, limit=9, is_archived=False, title_query=None
    )
    assert page.sessions == []


async def test_replay_is_what_was_published_and_fits_the_schema(bench: Bench) -> None:
    await bench.send('a "quoted" — ünïcode\tline\n😀')
    await bench.answer("réply with\nlines")
    page = await bench.store.log_page(bench.session.stream, 0, 10_000)
    assert list(page.events) == bench.published.of(bench.session.stream)
    assert [event.seq for event in page.events] == list(range(1, page.last_seq + 1))
    for event in page.events:
        assert event_adapter.validate_json(event.frame).type == event.type
    later = await bench.store.log_page(bench.session.stream, 3, 2)
    assert [event.seq for event in later.events] == [4, 5]


async def test_an_unknown_stream_has_no_events(bench: Bench) -> None:
    page = await bench.store.log_page("session:none", 0, 10)
    assert (page.events, page.last_seq) == ((), 0)


async def test_a_session_that_the_founder_deleted_may_be_deleted_again(
    bench: Bench,
) -> None:
    keys = [bench.key("session.delete", id_) for id_ in (str(uuid4()), None)]
    deleted = [
        await bench.store.delete_session(key, bench.session_id)
        for key in [*keys, *keys]
    ]
    assert len({each.founder_seq for each in deleted}) == 1
    other = await bench.store.create_founder(uuid4().hex)
    key = CommandKey(other.founder_id, "session.delete", None, "")
    with pytest.raises(SessionUnknownError):
        await bench.store.delete_session(key, bench.session_id)
