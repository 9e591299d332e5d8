"""A branch begins with what was said before, and is a session of its own."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from libs.testing.stream_state import reduce_log
from services.api_gateway.errors import (
    MessageUnknownError,
    NotBranchableError,
    RequestIdReusedError,
    SessionBusyError,
    SessionUnknownError,
)
from services.api_gateway.store import CommandKey, NewSession, WhenBusy
from services.api_gateway.store_sql import branches
from services.api_gateway.store_sql.tests.bench import (
    Bench,
    ended,
    opened,
    reply,
    started,
)
from services.api_gateway.wire.frames import SessionSnapshot
from services.api_gateway.wire.views import Branched, MessageView

FAILED = ("run.failed", {"code": "llm_timeout", "detail": "again", "retryable": True})


async def branch(
    bench: Bench,
    message_id: str,
    text: str = "otherwise",
    *,
    session_id: str | None = None,
    request_id: str | None = None,
) -> Branched:
    """Branch off the bench's session, or another."""
    source = session_id or bench.session_id
    key = bench.key("session.branch", request_id or str(uuid4()))
    return await bench.store.branch_session(key, source, message_id, text)


async def shown(bench: Bench, session_id: str) -> list[MessageView]:
    """Every message of a session."""
    page = await bench.store.messages(
        bench.founder_id, session_id, before_seq=None, limit=100
    )
    return page.messages


async def said(bench: Bench, session_id: str) -> list[tuple[str, str, str]]:
    """(role, status, text) of every message of a session."""
    messages = await shown(bench, session_id)
    return [(each.role.value, each.status.value, each.text) for each in messages]


async def turns(bench: Bench, *texts: str) -> list[str]:
    """Say each and be answered; returns the ids of what was said."""
    ids = []
    for text in texts:
        ids.append((await bench.send(text)).message_id)
        await bench.answer(f"about {text}")
    return ids


async def test_a_branch_has_the_talk_before_the_message_and_says_something_else(
    bench: Bench,
) -> None:
    one, two, _three = await turns(bench, "one", "two", "three")
    branched = await branch(bench, two, "two otherwise")
    session_id = branched.session.session_id
    assert await said(bench, session_id) == [
        ("founder", "complete", "one"),
        ("coach", "complete", "about one"),
        ("founder", "complete", "two otherwise"),
    ]
    copied = (await shown(bench, session_id))[:2]
    source = (await shown(bench, bench.session_id))[:2]
    for copy, original in zip(copied, source, strict=True):
        assert copy.message_id != original.message_id
        assert (copy.run_id, copy.request_id, copy.suggestions) == (None, None, [])
        assert (copy.created_at, copy.agent) == (original.created_at, original.agent)
    origin = branched.session.branched_from
    assert origin is not None
    assert (origin.session_id, origin.message_id) == (bench.session_id, two)
    assert branched.session.title == "one"
    first = await branch(bench, one)
    assert await said(bench, first.session.session_id) == [
        ("founder", "complete", "otherwise")
    ]


async def test_the_model_is_given_the_copied_talk_in_order(bench: Bench) -> None:
    _, two, _ = await turns(bench, "one", "two", "three")
    branched = await branch(bench, two, "two otherwise")
    work = await bench.dispatch()
    assert (work.run_id, work.text) == (branched.run_id, "two otherwise")
    assert [message.text for message in work.history] == ["one", "about one"]
    await bench.play(work.run_id, *reply("sure"), ("run.finished", {}))
    key = bench.key("message.send", str(uuid4()))
    await bench.store.accept_message(
        key, branched.session.session_id, "more", WhenBusy.WAIT
    )
    work = await bench.claim()
    assert [message.text for message in work.history] == [
        "one",
        "about one",
        "two otherwise",
        "sure",
    ]


async def test_the_log_the_snapshot_and_the_pages_of_a_branch_agree(
    bench: Bench,
) -> None:
    ids = await turns(bench, "one", "two", "three")
    branched = await branch(bench, ids[2])
    session_id = branched.session.session_id
    await bench.answer("fine")
    again = await branch(bench, branched.message_id, session_id=session_id)
    await bench.answer("better")
    for session in (branched.session, again.session):
        events = await bench.log(session.stream)
        state = reduce_log(session.stream, events)
        assert state.violations == []
        messages = await shown(bench, session.session_id)
        assert state.texts == {each.message_id: each.text for each in messages}
        assert state.statuses == {
            each.message_id: each.status.value for each in messages
        }
        snapshot = (await bench.store.snapshot(session.stream)).data
        assert isinstance(snapshot, SessionSnapshot)
        assert snapshot.messages == messages
        copies = [each for each in events if each["type"] == "message.copied"]
        assert [each["data"]["message"] for each in copies] == [
            each.model_dump(mode="json") for each in messages if each.run_id is None
        ]
        assert [each["seq"] for each in copies] == list(range(2, 2 + len(copies)))


async def test_what_was_superseded_stays_behind_and_what_broke_off_is_copied(
    bench: Bench,
) -> None:
    await bench.send("one")
    work = await bench.dispatch()
    await bench.play(work.run_id, started(), *opened("m-1", "half"), FAILED)
    await bench.store.retry_run(bench.key("run.retry", str(uuid4())), work.run_id)
    work = await bench.dispatch()
    await bench.play(work.run_id, started(), *opened("m-2", "so far"), FAILED)
    two = await bench.send("two")
    await bench.answer()
    branched = await branch(bench, two.message_id)
    assert await said(bench, branched.session.session_id) == [
        ("founder", "complete", "one"),
        ("coach", "failed", "so far"),
        ("founder", "complete", "otherwise"),
    ]


async def test_turns_that_waited_are_copied_as_they_were_answered(bench: Bench) -> None:
    await bench.send("one")
    two = await bench.send("two")
    await bench.answer("about one")
    await bench.answer("about two")
    branched = await branch(bench, two.message_id)
    assert await said(bench, branched.session.session_id) == [
        ("founder", "complete", "one"),
        ("coach", "complete", "about one"),
        ("founder", "complete", "otherwise"),
    ]


async def test_what_is_still_being_written_is_not_copied(bench: Bench) -> None:
    one = await bench.send("one")
    work = await bench.dispatch()
    await bench.play(work.run_id, started(), *opened("m-1", "about"))
    two = await bench.send("two")
    with pytest.raises(SessionBusyError):
        await branch(bench, two.message_id)
    branched = await branch(bench, one.message_id)
    assert await said(bench, branched.session.session_id) == [
        ("founder", "complete", "otherwise")
    ]
    await bench.play(work.run_id, ended("m-1", 5), ("run.finished", {}), after=3)
    later = await branch(bench, two.message_id)
    assert len(await shown(bench, later.session.session_id)) == 3


async def test_only_a_message_of_the_founders_own_in_that_session_will_do(
    bench: Bench,
) -> None:
    (one,) = await turns(bench, "one")
    coach = (await shown(bench, bench.session_id))[1]
    made = await bench.store.create_session(
        bench.key("session.create"), NewSession(None, has_opening=False)
    )
    before = await bench.log(f"founder:{bench.founder_id}")
    with pytest.raises(NotBranchableError):
        await branch(bench, coach.message_id)
    with pytest.raises(NotBranchableError):
        await branch(bench, one, session_id=made.session.session_id)
    with pytest.raises(MessageUnknownError):
        await branch(bench, str(uuid4()))
    with pytest.raises(SessionUnknownError):
        await branch(bench, one, session_id=str(uuid4()))
    thief = await bench.store.create_founder(uuid4().hex)
    key = CommandKey(thief.founder_id, "session.branch", str(uuid4()), "")
    with pytest.raises(SessionUnknownError):
        await bench.store.branch_session(key, bench.session_id, one, "mine")
    own = await bench.store.create_session(
        CommandKey(thief.founder_id, "session.create", None, ""),
        NewSession(None, has_opening=False),
    )
    with pytest.raises(MessageUnknownError):
        await bench.store.branch_session(key, own.session.session_id, one, "mine")
    assert await bench.log(f"founder:{bench.founder_id}") == before


async def test_the_same_request_branches_once(bench: Bench) -> None:
    (one,) = await turns(bench, "one")
    request_id = str(uuid4())
    branched = await asyncio.gather(
        *(branch(bench, one, request_id=request_id) for _ in range(20))
    )
    assert len({each.session.session_id for each in branched}) == 1
    key = bench.key("session.branch", request_id, body="another")
    with pytest.raises(RequestIdReusedError):
        await bench.store.branch_session(key, bench.session_id, one, "more")


async def test_a_branch_outlives_the_session_it_came_from(bench: Bench) -> None:
    _, two = await turns(bench, "one", "two")
    before = await bench.log()
    branched = await branch(bench, two)
    assert await bench.log() == before
    await bench.store.delete_session(bench.key("session.delete"), bench.session_id)
    session_id = branched.session.session_id
    view = await bench.store.session(bench.founder_id, session_id)
    assert view.branched_from is None
    assert len(await shown(bench, session_id)) == 3
    log = await bench.log(branched.session.stream)
    assert log[-1]["type"] == "session.updated"
    assert log[-1]["data"]["session"]["branched_from"] is None
    assert (await bench.answer()) == branched.run_id


async def test_copies_stay_when_the_branch_is_compacted(bench: Bench) -> None:
    _, two = await turns(bench, "one", "two")
    branched = await branch(bench, two)
    await bench.answer("fine")
    before = await shown(bench, branched.session.session_id)
    bench.clock.seconds += 100
    assert await bench.store.compact(older_than_seconds=50, limit=1_000)
    assert await shown(bench, branched.session.session_id) == before


async def test_of_a_long_talk_the_newest_is_copied_and_the_rest_is_counted(
    bench: Bench, database: Path
) -> None:
    await turns(bench, "one")
    last = await bench.send("last")
    await bench.answer()
    fill(database, bench.session_id, branches.MOST_COPIED)
    branched = await branch(bench, last.message_id)
    assert branched.session.branched_from is not None
    assert branched.session.branched_from.left_out == 2
    assert branched.seq == branches.MOST_COPIED + 2
    assert (await shown(bench, branched.session.session_id))[-1].text == "otherwise"
    snapshot = (await bench.store.snapshot(branched.session.stream)).data
    assert isinstance(snapshot, SessionSnapshot)
    assert snapshot.has_more
    empty(database)


async def test_of_a_wordy_talk_as_much_is_copied_as_everybody_can_wait_for(
    bench: Bench, database: Path
) -> None:
    await turns(bench, "one")
    last = await bench.send("last")
    await bench.answer()
    text = "w" * 8_000
    fill(database, bench.session_id, 100, text=text)
    branched = await branch(bench, last.message_id)
    copied = (await shown(bench, branched.session.session_id))[:-1]
    characters = sum(len(message.text) for message in copied)
    assert characters <= branches.MOST_CHARACTERS < characters + len(text)
    assert branched.session.branched_from is not None
    assert branched.session.branched_from.left_out == 102 - len(copied)
    empty(database)


def fill(database: Path, session_id: str, count: int, *, text: str = "filler") -> None:
    """Make a session longer, behind the store's back."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
            " WHERE i < :count) INSERT INTO messages (message_id, session_id,"
            " founder_id, run_id, role, text, status, seq, suggestions, feedback,"
            " created_at) SELECT 'filler-' || i, session_id, founder_id, run_id, role,"
            " :text, status, -i, '[]', 'none', created_at FROM messages, n"
            " WHERE session_id = :session_id AND text = 'one'",
            {"session_id": session_id, "count": count, "text": text},
        )


def empty(database: Path) -> None:
    """Take the filling out again: no log tells of it."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM messages WHERE message_id LIKE 'filler-%'")
