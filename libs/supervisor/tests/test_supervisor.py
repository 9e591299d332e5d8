"""The supervisor as a whole, with small programs in place of the services."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from libs.supervisor.development import touched_services
from libs.supervisor.ports import taken_ports
from libs.supervisor.programs import Port, environment

_ROOT = Path(__file__).parents[3]

_SERVER = """
import http.server, os, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
print("pid", os.getpid(), flush=True)
address = ("127.0.0.1", int(os.environ["PROBE_PORT"]))
http.server.HTTPServer(address, Answer).serve_forever()
"""

_SUPERVISED = f"""
import asyncio, os, sys
from pathlib import Path
from libs.supervisor.programs import Port, Program
from libs.supervisor.supervisor import Supervisor, write_line
port = Port("PROBE_PORT", 0)
server = Program("probe", (sys.executable, "-c", {_SERVER!r}), (port,), port)
supervisor = Supervisor([server], environment=os.environ, folder=Path.cwd(),
                        when_ready="all is up", say=write_line)
sys.exit(asyncio.run(supervisor.run()))
"""


@asynccontextmanager
async def _supervised() -> AsyncIterator[tuple[Process, list[str]]]:
    """Start a supervisor and read what it says up to its announcement."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _SUPERVISED),
        cwd=_ROOT,
        env={**os.environ, "PROBE_PORT": str(_free_port())},
        stdout=asyncio.subprocess.PIPE,
    )
    lines: list[str] = []
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            while not any("all is up" in line for line in lines):
                lines.append((await process.stdout.readline()).decode())
        yield process, lines
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_the_programs_and_then_the_supervisor(
    number: signal.Signals,
) -> None:
    async with _supervised() as (process, lines):
        pid = _announced_pid(lines)
        process.send_signal(number)
        status = await asyncio.wait_for(process.wait(), 20)

    assert status == 0
    assert not psutil.pid_exists(pid)


async def test_a_killed_supervisor_takes_its_programs_along() -> None:
    async with _supervised() as (process, lines):
        program = psutil.Process(_announced_pid(lines))
        process.kill()
        await process.wait()

        await asyncio.to_thread(psutil.wait_procs, [program], timeout=10)

    # An orphan that nobody reaps stays as a zombie; it serves no more.
    assert not program.is_running() or program.status() == psutil.STATUS_ZOMBIE


async def test_a_program_that_is_killed_is_back_under_a_new_pid() -> None:
    async with _supervised() as (process, lines):
        first = _announced_pid(lines)
        os.kill(first, signal.SIGKILL)
        assert process.stdout is not None
        async with asyncio.timeout(20):
            told = (await process.stdout.readline()).decode()
            second = _announced_pid([(await process.stdout.readline()).decode()])
        process.terminate()
        await process.wait()

    assert "killed by SIGKILL; starting again" in told
    assert second != first


def test_wrong_settings_end_the_whole_and_are_told() -> None:
    refusing = "raise SystemExit(2); import http.server"
    told = subprocess.run(
        [sys.executable, "-c", _SUPERVISED.replace("import http.server", refusing)],
        cwd=_ROOT,
        env={**os.environ, "PROBE_PORT": str(_free_port())},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert told.returncode == 2
    assert "probe cannot start with these settings: stopping" in told.stdout


def test_a_taken_port_is_told_with_its_holder_and_the_variable_to_set() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = str(holder.getsockname()[1])
        told = subprocess.run(
            [sys.executable, "-m", "libs.supervisor"],
            cwd=_ROOT,
            env={
                **os.environ,
                "VB_GATEWAY_PORT": taken,
                "VB_GATEWAY_METRICS_PORT": str(_free_port()),
                "VB_ORCHESTRATOR_PORT": str(_free_port()),
                "VB_ORCHESTRATOR_METRICS_PORT": str(_free_port()),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert told.returncode == 1
    assert told.stdout == ""
    assert f"Port {taken} is taken by process {os.getpid()}" in told.stderr
    assert "VB_GATEWAY_PORT=<port> make run" in told.stderr


def test_one_port_given_twice_is_told() -> None:
    number = str(_free_port())
    ports = [Port("VB_A", 1), Port("VB_B", 2)]

    complaints = taken_ports(ports, {"VB_A": number, "VB_B": number})

    assert complaints == [f"Port {number} is given to both VB_A and VB_B."]


def test_a_port_that_is_no_number_is_told_by_the_variable() -> None:
    with pytest.raises(SystemExit, match="VB_A='http' is not a port number"):
        taken_ports([Port("VB_A", 1)], {"VB_A": "http"})


def test_the_environment_wins_over_the_dotenv_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("VB_PROBE_A=file\nVB_PROBE_B='file'\n# VB_PROBE_C=off\n")
    monkeypatch.setenv("VB_PROBE_A", "environment")

    told = environment(dotenv)

    assert told["VB_PROBE_A"] == "environment"
    assert told["VB_PROBE_B"] == "file"
    assert "VB_PROBE_C" not in told


def test_the_gateway_is_pointed_at_a_moved_orchestrator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VB_ORCHESTRATOR_PORT", "50077")
    monkeypatch.delenv("VB_GATEWAY_ORCHESTRATOR_ADDRESSES", raising=False)

    told = environment(tmp_path / ".env")

    assert told["VB_GATEWAY_ORCHESTRATOR_ADDRESSES"] == "127.0.0.1:50077"


@pytest.mark.parametrize(
    ("changed", "touched"),
    [
        ("services/api_gateway/app.py", {"gateway"}),
        ("services/orchestrator/server.py", {"orchestrator"}),
        ("libs/errors/__init__.py", {"gateway", "orchestrator"}),
        ("services/api_gateway/tests/test_app.py", set()),
    ],
)
def test_a_change_restarts_only_what_it_belongs_to(
    changed: str, touched: set[str]
) -> None:
    assert touched_services({Path(changed)}) == touched


def _announced_pid(lines: list[str]) -> int:
    return next(int(line.split()[-1]) for line in lines if "│ pid " in line)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        number: int = probe.getsockname()[1]
        return number
