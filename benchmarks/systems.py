"""The two systems that are measured: the floor and the product."""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import httpx
import psutil

from benchmarks.load import Target
from libs.testing.client import FounderClient
from libs.testing.stack import REPOSITORY, Stack, StackProcess, free_port, until

__all__ = ["FIRST_TOKEN_SECONDS", "Floor", "Product", "System", "model_server"]

FIRST_TOKEN_SECONDS = 0.2
TOKENS_PER_SECOND = 50
TOKENS = 100
_FOUNDERS_AT_ONCE = 10


class System(Protocol):
    """Something that relays a model's words to founders."""

    name: str

    @property
    def url(self) -> str:
        """Where founders connect."""

    @property
    def pids(self) -> dict[str, int]:
        """Its processes by role."""

    async def targets(self, count: int) -> list[Target]:
        """Give that many new founders, each with a session."""


def spawn(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a module of this repository; its output goes to standard error."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
    )


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    for child in children:
        child.kill()
        child.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def _until_listening(port: int, what: str) -> None:
    await until(lambda: _listens(port), timeout_seconds=30, what=what)


@asynccontextmanager
async def model_server() -> AsyncIterator[str]:
    """Serve the model both systems speak with, in its own process."""
    port = free_port()
    pace = {
        "--port": port,
        "--first-token-seconds": FIRST_TOKEN_SECONDS,
        "--tokens-per-second": TOKENS_PER_SECOND,
        "--tokens": TOKENS,
    }
    arguments = [str(each) for pair in pace.items() for each in pair]
    child = spawn("libs.testing.model_server", *arguments)
    try:
        await _until_listening(port, "the model server")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        _end([child])


class Floor:
    """A WebSocket relay and a gRPC hop: what any such product must pay."""

    name = "floor"

    def __init__(self, model_url: str) -> None:
        self._model_url = model_url
        self._port, self._grpc_port = free_port(), free_port()
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        """Where founders connect."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pids(self) -> dict[str, int]:
        """Its processes by role."""
        return {role: child.pid for role, child in self._children.items()}

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Floor"]:
        """Run both halves."""
        address = f"127.0.0.1:{self._grpc_port}"
        self._children = {
            "orchestrator": spawn(
                "benchmarks.floor_orchestrator",
                *("--port", str(self._grpc_port), "--model-url", self._model_url),
            ),
            "gateway": spawn(
                "benchmarks.floor_gateway",
                *("--port", str(self._port), "--address", address),
            ),
        }
        try:
            await _until_listening(self._grpc_port, "the floor's gRPC half")
            await _until_listening(self._port, "the floor's WebSocket half")
            yield self
        finally:
            _end(list(self._children.values()))

    async def targets(self, count: int) -> list[Target]:
        """Make up founders: the floor knows nobody."""
        return [Target(token="-", session_id=str(uuid4())) for _ in range(count)]  # noqa: S106 - not a secret


@dataclass(slots=True)
class Product:
    """The real gateway and orchestrator.

    `prepare` may change what is started; a process is started `starts` times.
    """

    model_url: str
    name: str = "product"
    prepare: Callable[[Stack], None] = lambda _stack: None
    starts: int = 3
    ready_seconds: dict[str, float] = field(default_factory=dict)
    _stack: Stack | None = None

    @property
    def url(self) -> str:
        """Where founders connect."""
        return self.stack.url

    @property
    def stack(self) -> Stack:
        """Its processes."""
        if self._stack is None:
            raise RuntimeError("the product does not run")
        return self._stack

    @property
    def pids(self) -> dict[str, int]:
        """Its processes by role."""
        return {
            "gateway": self.stack.gateway.pid,
            "orchestrator": self.stack.orchestrator.pid,
        }

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Product"]:
        """Run both processes, one after the other; of their starts the best counts."""
        with tempfile.TemporaryDirectory() as directory:
            quiet = {"VB_GATEWAY_LOG_LEVEL": "warning"}
            self._stack = Stack(
                Path(directory),
                model_url=self.model_url,
                gateway_settings=quiet,
                orchestrator_settings={"VB_ORCHESTRATOR_LOG_LEVEL": "warning"},
            )
            self.prepare(self._stack)
            try:
                for process in (self._stack.orchestrator, self._stack.gateway):
                    seconds = await _best_start(process, self.starts)
                    self.ready_seconds[process.name] = seconds
                yield self
            finally:
                self._stack.stop()

    async def targets(self, count: int) -> list[Target]:
        """Mint founders and give each a quiet session."""
        gate = asyncio.Semaphore(_FOUNDERS_AT_ONCE)

        async def arrive() -> Target:
            async with gate, await FounderClient.arrive(self.url) as founder:
                session = await founder.create_session()
                return Target(founder.token, session["session_id"])

        try:
            return await asyncio.gather(*(arrive() for _ in range(count)))
        except httpx.HTTPError:
            sys.stderr.write(self.stack.gateway.log_tail())
            raise


async def _best_start(process: StackProcess, starts: int) -> float:
    """Start a process several times and leave it running; the shortest start."""
    times = []
    for _ in range(starts):
        process.stop()
        started = time.perf_counter()
        await process.start()
        times.append(time.perf_counter() - started)
    return min(times)


def cpu_seconds(pids: Sequence[int]) -> float:
    """Add up the processor time of processes and all their children."""
    total = 0.0
    for pid in pids:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def unique_bytes(pid: int) -> int:
    """Return the memory that would be freed if the process ended."""
    return int(psutil.Process(pid).memory_full_info().uss)


def resident_bytes(pid: int) -> int:
    """Return the resident set of a process."""
    return int(psutil.Process(pid).memory_info().rss)
