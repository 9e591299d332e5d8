"""A full or read-only disk: refused clearly, readable still, well again by itself."""

import asyncio
import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import httpx
import psutil
import pytest

from libs.testing.client import FounderClient
from libs.testing.model_script import reply_tokens
from libs.testing.model_server import ModelServer, Pace
from libs.testing.scrape import scraped
from libs.testing.stack import Stack, free_port, until
from libs.testing.stream_state import Frame, StreamState
from tests.integration.proofs import (
    prove_log,
    prove_shown_is_stored,
    verify_database,
)

_DISK_MEGABYTES = 8
_RECOVERY_SECONDS = 30
_ATTEMPTS = 40
_LONG_REPLY = Pace(tokens_per_second=40, tokens_per_reply=400)
"""Ten seconds: far longer than the disk is full in the middle of it."""
_FAILED_COMMITS = 4
_FAILED = "venturebots_gateway_store_failed_commits_total"


class _Disk(Protocol):
    """A place for a database whose writes can be made to fail and to work again."""

    stack: Stack

    def fail(self) -> None:
        """Let no file of the gateway grow."""

    def recover(self) -> None:
        """Let writes work again."""


class _FullDisk:
    """A small file system, filled to the last byte."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._filler = stack.database.with_name("filler")

    def fail(self) -> None:
        """Fill it."""
        with self._filler.open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4_096))
            except OSError:
                return

    def recover(self) -> None:
        """Make room."""
        self._filler.unlink()


class _LimitedFiles:
    """The gateway may write no file beyond the size its log has now."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def fail(self) -> None:
        """Set the limit."""
        wal = self.stack.database.with_name(self.stack.database.name + "-wal")
        self._limit(max(wal.stat().st_size, self.stack.gateway.log_path.stat().st_size))

    def recover(self) -> None:
        """Lift the limit."""
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size: int) -> None:
        process = psutil.Process(self.stack.gateway.pid)
        process.rlimit(psutil.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def _mount(*arguments: str) -> bool:
    program = shutil.which(arguments[0])
    if os.geteuid() != 0 or program is None:
        return False
    return subprocess.run([program, *arguments[1:]], check=False).returncode == 0


@contextmanager
def _small_disk(directory: Path) -> Iterator[Path]:
    directory.mkdir()
    size = f"size={_DISK_MEGABYTES}m"
    if not _mount("mount", "-t", "tmpfs", "-o", size, "tmpfs", str(directory)):
        pytest.skip("a small file system cannot be mounted here")
    try:
        yield directory
    finally:
        assert _mount("umount", "--lazy", str(directory))


@contextmanager
def _running(stack: Stack) -> Iterator[Stack]:
    asyncio.run(stack.start())
    try:
        yield stack
    finally:
        stack.stop()


@contextmanager
def _failing(kind: str, directory: Path, **options: Any) -> Iterator[_Disk]:
    """Run a stack whose disk can fail in that way."""
    if kind == "limited files":
        with _running(Stack(directory, **options)) as stack:
            yield _LimitedFiles(stack)
        return
    with _small_disk(directory / "disk") as disk:
        stack = Stack(directory, database_directory=disk, **options)
        with _running(stack):
            yield _FullDisk(stack)


@pytest.fixture(params=["full disk", "limited files"])
def kind(request: pytest.FixtureRequest) -> str:
    """How a disk fails."""
    return str(request.param)


@pytest.fixture
def disk(kind: str, tmp_path: Path) -> Iterator[_Disk]:
    """Run a stack on the simulated coach."""
    with _failing(kind, tmp_path, tokens_per_second=500) as disk:
        yield disk


@dataclass(frozen=True, slots=True)
class _SlowCoach:
    """A disk that can fail, and where the model of its stack is to be served."""

    disk: _Disk
    port: int


@pytest.fixture
def slow_coach(kind: str, tmp_path: Path) -> Iterator[_SlowCoach]:
    """Run a stack whose coach is a model that the test serves."""
    port = free_port()
    model_url = f"http://127.0.0.1:{port}/v1"
    with _failing(kind, tmp_path, model_url=model_url) as disk:
        yield _SlowCoach(disk, port)


async def _refused(founder: FounderClient, session_id: str) -> httpx.Response:
    """Send until the disk has no room left; returns the refusal."""
    for number in range(_ATTEMPTS):
        path = f"/v1/sessions/{session_id}/messages"
        answer = await founder.post(path, text=f"{number} " + "word " * 1_000)
        if answer.json().get("code") != "queue_full" and answer.is_error:
            return answer
    raise AssertionError("the full disk took every message")


async def _talked(founder: FounderClient) -> Frame:
    session = await founder.create_session()
    async with founder.following(session["session_id"]) as socket:
        for text in ("One", "Two", "Three"):
            sent = await founder.send(session["session_id"], text)
            await socket.ended(session["stream"], sent["run_id"])
    return session


async def test_a_store_that_takes_no_writes_refuses_reads_on_and_recovers(
    disk: _Disk,
) -> None:
    async with await FounderClient.arrive(disk.stack.url) as founder:
        session = await _talked(founder)
        session_id = session["session_id"]
        before = await founder.messages(session_id)
        other = await founder.create_session()
        disk.fail()
        refused = await _refused(founder, other["session_id"])
        assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert refused.json()["code"] == "store_unavailable"
        assert refused.json()["retryable"] is True
        assert refused.json()["detail"]

        assert await founder.messages(session_id) == before
        assert (await founder.log(session["stream"])).violations == []
        assert (await founder.http.get("/v1/sessions")).is_success
        status = (await founder.http.get("/v1/status")).json()
        assert "false" in str(status).lower(), status

        disk.recover()

        async def is_accepted() -> bool:
            path = f"/v1/sessions/{session_id}/messages"
            return (await founder.post(path, text="Again")).is_success

        await until(is_accepted, timeout_seconds=_RECOVERY_SECONDS, what="recovery")
        async with founder.following(session_id) as socket:
            state = socket.state(session["stream"])
            await socket.until(lambda: set(state.run_ends) == set(state.runs))
        await prove_log(founder, session_id)
    await verify_database(disk.stack.database)


async def _prove_shown(founder: FounderClient, state: StreamState) -> None:
    """Prove that every event that came so far is in the log, as it came."""
    shown = list(state.events)
    log = await founder.log(state.stream)
    assert shown == log.events[: len(shown)]
    assert log.violations == []


async def _looked_on_while_failing(
    disk: _Disk, founder: FounderClient, state: StreamState, run_id: str
) -> None:
    """Look at an open run until several commits failed, and at what is shown."""
    gateway, looks = disk.stack.gateway, 0
    failed = await scraped(gateway, _FAILED)
    while await scraped(gateway, _FAILED) < failed + _FAILED_COMMITS:
        await _prove_shown(founder, state)
        assert (await founder.run(run_id))["ended_at"] is None
        looks += 1
    assert run_id not in state.run_ends
    assert looks >= _FAILED_COMMITS


@pytest.mark.timeout(180)
async def test_a_disk_that_fills_up_mid_reply_shows_nothing_that_is_not_stored(
    slow_coach: _SlowCoach,
) -> None:
    disk, seed = slow_coach.disk, uuid4().hex
    async with (
        ModelServer(_LONG_REPLY, port=slow_coach.port) as model,
        await FounderClient.arrive(disk.stack.url) as founder,
    ):
        session = await founder.create_session()
        stream, session_id = session["stream"], session["session_id"]
        async with founder.following(session_id) as socket:
            state = socket.state(stream)
            run_id = (await founder.send(session_id, f"Go on [seed:{seed}]"))["run_id"]
            await socket.until(lambda: len(state.seen("message.delta")) > 1)
            disk.fail()
            await _looked_on_while_failing(disk, founder, state, run_id)
            assert [each.outcome for each in model.requests] == ["open"]
            disk.recover()
            ended = await socket.ended(stream, run_id)
            assert ended == "run.finished"
            await prove_shown_is_stored(founder, session_id, state)
        whole = "".join(reply_tokens(seed, _LONG_REPLY.tokens_per_reply))
        assert state.reply_to(run_id) == whole
        assert state.counts()["run.finished"] == 1
        assert [each.outcome for each in model.requests] == ["complete"]
    await verify_database(disk.stack.database)


def test_a_read_only_disk_at_start_is_told(tmp_path: Path) -> None:
    with _small_disk(tmp_path / "disk") as directory:
        stack = Stack(tmp_path, tokens_per_second=500, database_directory=directory)
        with _running(stack):
            founder, session = asyncio.run(_one_talk(stack))
            stack.gateway.stop()
            assert _mount("mount", "-o", "remount,ro", str(directory))
            try:
                said = asyncio.run(_refuses_to_start(stack))
                assert stack.database.name in said
            finally:
                stack.gateway.kill()
                assert _mount("mount", "-o", "remount,rw", str(directory))
            asyncio.run(stack.gateway.start())
            asyncio.run(_reads_and_writes(stack, founder, session))


def test_a_database_that_cannot_be_used_is_told_and_left_alone(
    tmp_path: Path,
) -> None:
    with _running(Stack(tmp_path, tokens_per_second=500)) as stack:
        second = Stack(tmp_path / "second", database_directory=tmp_path)
        said = asyncio.run(_refuses_to_start(_prepared(second)))
        assert f"process {stack.gateway.pid} on " in said
        stack.gateway.stop()
        with closing(sqlite3.connect(stack.database)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = 9999")
            connection.execute(
                "UPDATE meta SET value = '9999' WHERE key = 'min_reader'"
            )
        before = stack.database.read_bytes()
        assert "has schema 9999" in asyncio.run(_refuses_to_start(stack))
        with stack.database.open("r+b") as file:
            file.truncate(len(before) // 2)
        assert "malformed" in asyncio.run(_refuses_to_start(stack))
        assert stack.database.read_bytes() == before[: len(before) // 2]


def _prepared(stack: Stack) -> Stack:
    """Give a gateway that was never started its log."""
    stack.gateway.log_path.touch()
    return stack


async def _one_talk(stack: Stack) -> tuple[FounderClient, Frame]:
    async with await FounderClient.arrive(stack.url) as founder:
        return founder, await _talked(founder)


def _again(stack: Stack, founder: FounderClient) -> FounderClient:
    return FounderClient(stack.url, token=founder.token, founder=founder.founder)


async def _refuses_to_start(stack: Stack) -> str:
    """Spawn the gateway and wait for it to give up; returns what it said last."""
    began = stack.gateway.log_path.stat().st_size
    stack.gateway.spawn()
    assert await stack.gateway.exited() == 1
    said = stack.gateway.log_path.read_bytes()[began:].decode()
    assert "Traceback" not in said
    return said


async def _reads_and_writes(
    stack: Stack, founder: FounderClient, session: Frame
) -> None:
    async with _again(stack, founder) as reader:
        assert len(await reader.messages(session["session_id"])) == 6
        assert await reader.send(session["session_id"], "Hello again")
