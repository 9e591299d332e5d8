"""A database is copied while founders stream, and put back in its place."""

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Iterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.growth.load import load
from libs.testing.client import FounderClient
from libs.testing.scrape import scraped
from libs.testing.socket_client import SocketClient
from libs.testing.stack import REPOSITORY, Stack, until
from libs.testing.stream_state import Frame
from services.api_gateway.store_sql import back_up
from tests.integration.proofs import prove_log, verify_database

_FOUNDERS = 4
_END_SECONDS = 30
_CROWD = 50
_ARRIVING_AT_ONCE = 10
_OLD_SESSIONS = 1_000
"""So many that a copy takes longer than some commits."""
_ROUNDS = 3
_AT_ONCE = 2
_EVENTS = "venturebots_gateway_store_events_total"
_EVENTS_IN_PEACE = 1_000
_SLOWEST = 0.25
"""Of the events a second without a copy: both share the processors."""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Run a stack whose replies take seconds."""
    running = Stack(tmp_path, tokens_per_second=20)
    asyncio.run(running.start())
    try:
        yield running
    finally:
        running.stop()


@dataclass(slots=True)
class _Talk:
    """A founder in the middle of a reply."""

    founder: FounderClient
    socket: SocketClient
    session: Frame
    run_id: str

    @classmethod
    async def begin(cls, stack: Stack, open_until: AsyncExitStack) -> "_Talk":
        arrived = await FounderClient.arrive(stack.url)
        founder = await open_until.enter_async_context(arrived)
        session = await founder.create_session()
        following = founder.following(session["session_id"])
        socket = await open_until.enter_async_context(following)
        sent = await founder.send(session["session_id"], "At length, please.")
        talk = cls(founder, socket, session, sent["run_id"])
        await talk.hear(1)
        return talk

    async def hear(self, deltas: int) -> None:
        """Wait for so many more pieces of the reply."""
        state = self.socket.state(self.session["stream"])
        goal = len(state.seen("message.delta")) + deltas
        await self.socket.until(lambda: len(state.seen("message.delta")) >= goal)

    async def go_on(self, is_over: asyncio.Event) -> None:
        """Talk on until it is over, each message once the last one was answered."""
        while await self.socket.ended(self.session["stream"], self.run_id):
            if is_over.is_set():
                return
            sent = await self.founder.send(self.session["session_id"], "And then?")
            self.run_id = sent["run_id"]


async def _gateway(*words: str) -> tuple[int, str]:
    """Run a command of the gateway; returns its exit status and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.api_gateway", *words),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_a_copy_taken_mid_reply_is_sound_and_begins_a_life_of_its_own(
    stack: Stack, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    database = ("--database", str(stack.database))
    async with AsyncExitStack() as open_until:
        talks = await asyncio.gather(
            *(_Talk.begin(stack, open_until) for _ in range(_FOUNDERS))
        )
        await asyncio.to_thread(back_up, stack.database, copy)
        await asyncio.gather(*(talk.hear(1) for talk in talks))
        for talk in talks:
            stream = talk.session["stream"]
            assert await talk.socket.ended(stream, talk.run_id) == "run.finished"
            await talk.founder.send(talk.session["session_id"], "After the copy")
        status, said = await _gateway("restore", *database, "--from", str(copy))
        assert status == 1
        assert f"process {stack.gateway.pid} on " in said

        stack.stop()
        status, said = await _gateway("restore", *database, "--from", str(copy))
        assert status == 0, said
        epochs = {talk.socket.epoch for talk in talks}
        await stack.start()
        await asyncio.gather(*(_prove_restored(talk) for talk in talks))
        assert epochs.isdisjoint({talk.socket.epoch for talk in talks})
    await verify_database(stack.database)


async def _prove_restored(talk: _Talk) -> None:
    """The founder sees what the copy had, and the run it was in the middle of end."""
    state = talk.socket.state(talk.session["stream"])
    await talk.socket.until(
        lambda: state.run_ends.get(talk.run_id) == "run.failed",
        timeout_seconds=_END_SECONDS,
    )
    assert state.snapshots
    run = await talk.founder.run(talk.run_id)
    assert run["error"]["code"] == "run_lost"
    messages = await talk.founder.messages(talk.session["session_id"])
    assert [(each["role"], each["status"]) for each in messages] == [
        ("founder", "complete"),
        ("coach", "interrupted"),
    ]
    assert messages[1]["text"]
    await prove_log(talk.founder, talk.session["session_id"])
    # The client had seen it finish, in the life that was undone.
    assert state.violations == [f"run {talk.run_id} ended twice"]
    assert {each["message_id"]: each["text"] for each in messages} == state.texts
    retried = await talk.founder.retry(talk.run_id)
    ended = await talk.socket.ended(talk.session["stream"], retried["run_id"])
    assert ended == "run.finished"


@pytest.mark.timeout(300)
async def test_copies_taken_from_a_crowd_are_sound_and_no_commit_waits_for_them(
    tmp_path: Path,
) -> None:
    stack = Stack(tmp_path, tokens_per_second=20)
    await asyncio.to_thread(load, stack.database, _OLD_SESSIONS)
    copies = [tmp_path / f"copy-{number}.db" for number in range(_ROUNDS * _AT_ONCE)]
    async with stack, AsyncExitStack() as open_until:
        gate = asyncio.Semaphore(_ARRIVING_AT_ONCE)

        async def begin() -> _Talk:
            async with gate:
                return await _Talk.begin(stack, open_until)

        talks = await asyncio.gather(*(begin() for _ in range(_CROWD)))
        is_over = asyncio.Event()
        async with asyncio.TaskGroup() as crowd:
            for talk in talks:
                crowd.create_task(talk.go_on(is_over))
            in_peace = await _events_a_second(stack, _so_many_events(stack))
            while_copied = [
                await _events_a_second(stack, _copied(stack, copies[number::_ROUNDS]))
                for number in range(_ROUNDS)
            ]
            is_over.set()
        assert min(while_copied) >= in_peace * _SLOWEST, f"{while_copied}, {in_peace}"
        for talk in talks:
            log = await prove_log(talk.founder, talk.session["session_id"])
            events = [(event["seq"], event["type"]) for event in log.events]
            for copy in copies:
                copied = _copied_events(copy, log.stream)
                assert copied == events[: len(copied)]
    for copy in copies:
        _prove_taken_mid_reply(copy)
    for database in (stack.database, *copies):
        await verify_database(database)


async def _events_a_second(stack: Stack, work: Awaitable[None]) -> float:
    """How many events are stored while something is done."""
    began, stored = time.monotonic(), await scraped(stack.gateway, _EVENTS)
    await work
    more = await scraped(stack.gateway, _EVENTS) - stored
    return more / (time.monotonic() - began)


async def _so_many_events(stack: Stack) -> None:
    goal = await scraped(stack.gateway, _EVENTS) + _EVENTS_IN_PEACE

    async def are_stored() -> bool:
        return await scraped(stack.gateway, _EVENTS) >= goal

    await until(are_stored, timeout_seconds=60, what=f"{_EVENTS_IN_PEACE} events")


async def _copied(stack: Stack, copies: list[Path]) -> None:
    """Take copies at once, each in a process of its own."""
    database = ("--database", str(stack.database))
    for status, said in await asyncio.gather(
        *(_gateway("backup", *database, "--to", str(copy)) for copy in copies)
    ):
        assert status == 0, said


def _prove_taken_mid_reply(copy: Path) -> None:
    query = "SELECT count(*) FROM runs WHERE ended_at IS NULL"
    with closing(sqlite3.connect(copy)) as connection:
        (open_runs,) = connection.execute(query).fetchone()
    assert open_runs > _CROWD / 2


def _copied_events(copy: Path, stream: str) -> list[tuple[int, str]]:
    """What a copy has of a stream; of every session of the crowd it has some."""
    query = "SELECT seq, type FROM events WHERE stream = ? ORDER BY seq"
    with closing(sqlite3.connect(copy)) as connection:
        found = connection.execute(query, (stream,)).fetchall()
    assert found
    return found
