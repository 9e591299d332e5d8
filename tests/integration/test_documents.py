"""The commands of the documents, run as a reader would."""

import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pytest

from libs.testing.stack import free_port
from tests.documents import Block, Runner, blocks

_ROOT = Path(__file__).parents[2]
_WRITTEN = "127.0.0.1:8000"
_READY_SECONDS = 180
_SCRIPT_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Started:
    """A stack that a document's command started, and where it is."""

    address: str
    environment: dict[str, str]


@pytest.fixture(scope="module", params=blocks(Runner.START), ids=lambda b: b.place)
def started(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Started]:
    """Start the stack with the very command a document names."""
    block: Block = request.param
    directory = tmp_path_factory.mktemp("documents")
    port = str(free_port())
    environment = {
        **os.environ,
        "VB_GATEWAY_PORT": port,
        "VB_GATEWAY_METRICS_PORT": str(free_port()),
        "VB_ORCHESTRATOR_PORT": str(free_port()),
        "VB_ORCHESTRATOR_METRICS_PORT": str(free_port()),
        "VB_GATEWAY_DATABASE_PATH": str(directory / "venturebots.db"),
        "VB_ORCHESTRATOR_DEFAULT_MODEL": "simulated",
    }
    is_ready = threading.Event()
    process = subprocess.Popen(
        ["bash", "-euc", block.body],  # noqa: S607 - the reader's shell
        cwd=_ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    said: list[str] = []
    listener = threading.Thread(target=_listen, args=(process, said, is_ready))
    listener.start()
    try:
        assert is_ready.wait(_READY_SECONDS), "".join(said)
        assert process.poll() is None, "".join(said)
        yield Started(f"127.0.0.1:{port}", environment)
    finally:
        process.terminate()
        process.wait(30)
        listener.join()


@pytest.mark.timeout(_READY_SECONDS + _SCRIPT_SECONDS + 30)
@pytest.mark.parametrize(
    "script",
    [
        list(group)
        for _, group in groupby(blocks(Runner.INTEGRATION), key=lambda b: b.path)
    ],
    ids=lambda script: str(script[0].path),
)
def test_the_commands_of_a_document_do_what_it_says(
    script: list[Block], started: Started
) -> None:
    commands = "\n".join(block.body for block in script)
    done = subprocess.run(
        ["bash", "-euc", commands.replace(_WRITTEN, started.address)],  # noqa: S607 - the reader's shell
        cwd=_ROOT,
        env=started.environment,
        capture_output=True,
        text=True,
        timeout=_SCRIPT_SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "run.finished" in done.stdout
    assert "error" not in done.stderr.lower()


def _listen(
    process: subprocess.Popen[str], said: list[str], is_ready: threading.Event
) -> None:
    """Read all that the stack says, until it ends."""
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            said.append(line)
            if "ready: open" in line:
                is_ready.set()
    is_ready.set()
