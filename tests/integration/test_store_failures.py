"""A full or read-only disk: refused clearly, readable still, well again by itself."""

import asyncio
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import httpx
import psutil
import pytest

from libs.testing.client import FounderClient
from libs.testing.stack import Stack, until
from libs.testing.stream_state import Frame
from tests.integration.proofs import prove_log, verify_database

_DISK_MEGABYTES = 8
_RECOVERY_SECONDS = 30
_ATTEMPTS = 40


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


@pytest.fixture(params=["full disk", "limited files"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[_Disk]:
    """Run a stack whose disk can fail."""
    if request.param == "limited files":
        with _running(Stack(tmp_path, tokens_per_second=500)) as stack:
            yield _LimitedFiles(stack)
        return
    with _small_disk(tmp_path / "disk") as directory:
        stack = Stack(tmp_path, tokens_per_second=500, database_directory=directory)
        with _running(stack):
            yield _FullDisk(stack)


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


async def test_a_disk_that_fills_up_mid_reply_shows_nothing_that_is_not_stored(
    disk: _Disk,
) -> None:
    async with await FounderClient.arrive(disk.stack.url) as founder:
        session = await _talked(founder)
        stream, session_id = session["stream"], session["session_id"]
        async with founder.following(session_id) as socket:
            state = socket.state(stream)
            sent = await founder.send(session_id, "At length, please.")
            deltas = len(state.seen("message.delta"))
            await socket.until(lambda: len(state.seen("message.delta")) > deltas)
            disk.fail()
            log = await founder.log(stream)
            stored = {event["seq"]: event for event in log.events}
            shown = [each for each in state.events if each["seq"] <= log.last_seq]
            assert all(stored[event["seq"]] == event for event in shown)
            disk.recover()
            await socket.ended(stream, sent["run_id"])
            await socket.until(lambda: set(state.run_ends) == set(state.runs))
        await prove_log(founder, session_id)
        assert state.violations == []
    await verify_database(disk.stack.database)


def test_a_read_only_disk_at_start_is_told_or_served_read_only(tmp_path: Path) -> None:
    with _small_disk(tmp_path / "disk") as directory:
        stack = Stack(tmp_path, tokens_per_second=500, database_directory=directory)
        with _running(stack):
            founder, session = asyncio.run(_one_talk(stack))
            stack.gateway.stop()
            assert _mount("mount", "-o", "remount,ro", str(directory))
            stack.gateway.spawn()
            try:
                asyncio.run(_read_only(stack, founder, session))
            finally:
                stack.gateway.kill()
                assert _mount("mount", "-o", "remount,rw", str(directory))
            asyncio.run(stack.gateway.start())
            asyncio.run(_reads_and_writes(stack, founder, session))


async def _one_talk(stack: Stack) -> tuple[FounderClient, Frame]:
    async with await FounderClient.arrive(stack.url) as founder:
        return founder, await _talked(founder)


def _again(stack: Stack, founder: FounderClient) -> FounderClient:
    return FounderClient(stack.url, token=founder.token, founder=founder.founder)


async def _read_only(stack: Stack, founder: FounderClient, session: Frame) -> None:
    """Either a clear refusal to start, or history without new messages."""
    with suppress(RuntimeError):
        await stack.gateway.until_ready()
    if not stack.gateway.is_running:
        assert "Traceback" not in stack.gateway.log_tail()
        assert stack.database.name in stack.gateway.log_tail()
        return
    async with _again(stack, founder) as reader:
        assert len(await reader.messages(session["session_id"])) == 6
        path = f"/v1/sessions/{session['session_id']}/messages"
        refused = await reader.post(path, text="Hello?")
        assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE


async def _reads_and_writes(
    stack: Stack, founder: FounderClient, session: Frame
) -> None:
    async with _again(stack, founder) as reader:
        assert len(await reader.messages(session["session_id"])) == 6
        assert await reader.send(session["session_id"], "Hello again")
