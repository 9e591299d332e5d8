"""Both services run on a read-only root: they write below HOME and TMPDIR alone."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.testing.client import FounderClient
from libs.testing.stack import REPOSITORY, Stack, StackProcess
from tests.integration.proofs import prove_log, verify_database

_APART = ("unshare", "--mount")


def _shut(*writable: Path) -> tuple[str, ...]:
    """Start a command where only these directories, and devices, can be written."""
    kept = " && ".join(f"mount --bind '{path}' '{path}'" for path in writable)
    mounts = f"$(findmnt -nT '{REPOSITORY}' -o TARGET) $(findmnt -nT /tmp -o TARGET) /"
    shut = f"for each in {mounts}; do mount -o remount,bind,ro $each || exit 9; done"
    refused = f"! touch '{REPOSITORY}/written' /tmp/written 2>/dev/null"
    # What counts lines (`make coverage`) would write them where it was started.
    uncounted = 'exec env -u COVERAGE_PROCESS_CONFIG "$@"'
    script = f"{kept} && {{ {shut}; }} && {refused} && {uncounted}"
    return (*_APART, "sh", "-c", script, "sh")


def _give_room(process: StackProcess, *writable: Path) -> Path:
    """Give a process a temporary directory of its own, and shut the rest."""
    room = process.directory / process.name
    room.mkdir()
    process.environment |= {"HOME": str(room), "TMPDIR": str(room)}
    process.wrapper = _shut(room, *writable)
    return room


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack that was not started yet."""
    if (
        shutil.which("unshare") is None
        or subprocess.run([*_APART, "true"], check=False).returncode
    ):
        pytest.skip("file systems cannot be mounted here")
    data = tmp_path / "data"
    data.mkdir()
    stack = Stack(tmp_path, tokens_per_second=500, database_directory=data)
    yield stack
    stack.stop()


async def test_services_need_to_write_nowhere_else(stack: Stack) -> None:
    data = stack.database.parent
    of_gateway = _give_room(stack.gateway, data)
    of_orchestrator = _give_room(stack.orchestrator)
    await stack.start()
    async with await FounderClient.arrive(stack.url) as founder:
        session = await founder.create_session(opening=True)
        async with founder.following(session["session_id"]) as socket:
            sent = await founder.send(session["session_id"], "Who waits at lunch?")
            end = await socket.ended(session["stream"], sent["run_id"])
        assert end == "run.finished"
        await prove_log(founder, session["session_id"])
    stack.stop()
    for process in (stack.gateway, stack.orchestrator):
        assert "Read-only file system" not in process.log_path.read_text("utf-8")
    assert list(of_gateway.iterdir()) == []
    # CrewAI makes a key and a directory for each program at its import.
    assert {path.name for path in of_orchestrator.iterdir()} <= {".config", ".local"}
    await verify_database(stack.database)
