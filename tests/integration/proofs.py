"""What must hold of a session, however it was treated."""

import asyncio
import subprocess
import sys
from collections import Counter
from pathlib import Path

from libs.testing.client import FounderClient
from libs.testing.stack import REPOSITORY
from libs.testing.stream_state import StreamState

__all__ = ["prove_log", "prove_shown_is_stored", "verify_database"]


async def prove_log(founder: FounderClient, session_id: str) -> StreamState:
    """Read the log over REST and prove it: dense, ended once, told as it was."""
    log = await founder.log(f"session:{session_id}")
    assert log.violations == []
    started = Counter(event["run_id"] for event in log.seen("run.started"))
    assert max(started.values(), default=0) <= 1, "a run was executed twice"
    assert sorted(log.run_ends) == sorted(log.runs), "a run has no end"
    assert "streaming" not in log.statuses.values()
    messages = await founder.messages(session_id)
    assert {
        each["message_id"]: (each["text"], each["status"]) for each in messages
    } == _kept(log)
    return log


def _kept(state: StreamState) -> dict[str, tuple[str, str]]:
    """Texts and states; a message that ended before its first word is not kept."""
    return {
        message_id: (text, state.statuses[message_id])
        for message_id, text in state.texts.items()
        if text or state.statuses[message_id] == "streaming"
    }


async def prove_shown_is_stored(
    founder: FounderClient, session_id: str, shown: StreamState
) -> StreamState:
    """Prove that what a client shows is what the log and the store hold."""
    log = await prove_log(founder, session_id)
    assert shown.violations == []
    assert _kept(shown) == _kept(log)
    assert shown.last_seq == log.last_seq
    by_seq = {event["seq"]: event for event in log.events}
    assert all(by_seq[event["seq"]] == event for event in shown.events)
    if not shown.snapshots:
        assert shown.events == log.events
    return log


async def verify_database(database: Path) -> None:
    """Let the product's own checker walk every log of the database."""
    checker = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "services.api_gateway", "verify", "--database", str(database)),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await checker.communicate()
    assert checker.returncode == 0, output.decode()
