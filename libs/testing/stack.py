"""The real processes of the product, started on free ports with an own database."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, override

import grpc.aio
import httpx
from grpc_health.v1 import health_pb2

from libs.testing.stack_configs import MODEL, write_configs

__all__ = [
    "REPOSITORY",
    "Gateway",
    "Orchestrator",
    "Stack",
    "StackProcess",
    "free_port",
    "until",
]

REPOSITORY = Path(__file__).parents[2]
_POLL_SECONDS = 0.05
# Counting lines (`make coverage`) makes a start and an end several times as slow.
_SLOWNESS = 4 if "COVERAGE_PROCESS_CONFIG" in os.environ else 1
_READY_SECONDS = 60 * _SLOWNESS
_STOP_SECONDS = 15 * _SLOWNESS
_LOG_TAIL = 4_000
_GENEROUS_LIMITS = {
    "VB_GATEWAY_LIMITS__MESSAGES_PER_MINUTE": "100000",
    "VB_GATEWAY_LIMITS__SESSIONS_PER_HOUR": "100000",
    "VB_GATEWAY_LIMITS__CHANGES_PER_MINUTE": "100000",
    "VB_GATEWAY_LIMITS__SOCKETS_PER_FOUNDER": "1000",
    "VB_GATEWAY_LIMITS__FOUNDERS_PER_HOUR_PER_ADDRESS": "100000",
    "VB_GATEWAY_LIMITS__SOCKETS_PER_ADDRESS": "10000",
}
_INHERITED = ("PATH", "LANG", "COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")


def free_port() -> int:
    """Find a port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def until(
    holds: Callable[[], Awaitable[bool]], *, timeout_seconds: float, what: str
) -> None:
    """Look again and again until something holds.

    Raises TimeoutError naming `what` when it does not in time.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            while not await holds():  # noqa: ASYNC110 - another process has no event
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise TimeoutError(f"{what}: not within {timeout_seconds} s") from None


@dataclass(slots=True)
class StackProcess:
    """One real process; its environment is built from nothing.

    Output goes to `<directory>/<name>.log` and is shown when it fails.
    """

    name: str
    module: str
    port: int
    directory: Path
    environment: dict[str, str]
    wrapper: tuple[str, ...] = ()
    child: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def pid(self) -> int:
        """The process id of the last start."""
        if self.child is None:
            raise RuntimeError(f"{self.name} was never started")
        return self.child.pid

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self.child is not None and self.child.poll() is None

    @property
    def log_path(self) -> Path:
        """Where its output goes, of all starts."""
        return self.directory / f"{self.name}.log"

    def log_tail(self) -> str:
        """Return the end of its output."""
        return self.log_path.read_text("utf-8", "replace")[-_LOG_TAIL:]

    def spawn(self) -> None:
        """Start the process and return at once."""
        inherited = {
            name: os.environ[name] for name in _INHERITED if name in os.environ
        }
        home = self.directory / "home"
        home.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self.child = subprocess.Popen(
                [*self.wrapper, sys.executable, "-m", self.module],
                cwd=REPOSITORY,
                env=inherited
                | {
                    "HOME": str(home),
                    "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'protos/gen'}",
                }
                | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    async def is_ready(self) -> bool:
        """Tell whether the process serves."""
        raise NotImplementedError

    async def start(self) -> None:
        """Start the process and wait until it serves."""
        self.spawn()
        await self.until_ready()

    async def until_ready(self) -> None:
        """Wait until the process serves; raises with its output when it died."""

        async def holds() -> bool:
            if not self.is_running:
                raise RuntimeError(f"{self.name} died:\n{self.log_tail()}")
            return await self.is_ready()

        try:
            await until(holds, timeout_seconds=_READY_SECONDS, what=self.name)
        except TimeoutError as late:
            raise TimeoutError(f"{late}\n{self.log_tail()}") from None

    def kill(self) -> None:
        """End the process by SIGKILL, by its id, and wait for it."""
        if self.child is not None:
            self.child.kill()
            self.child.wait()

    def signal_stop(self) -> None:
        """Send SIGTERM."""
        if self.child is not None:
            self.child.send_signal(signal.SIGTERM)

    async def exited(self, timeout_seconds: float = _STOP_SECONDS) -> int:
        """Wait for the process to end; returns its exit status."""

        async def is_gone() -> bool:
            return not self.is_running

        await until(
            is_gone, timeout_seconds=timeout_seconds, what=f"end of {self.name}"
        )
        return -1 if self.child is None else self.child.returncode

    def stop(self) -> None:
        """Ask the process to end, and end it by force when it does not."""
        if not self.is_running or self.child is None:
            return
        self.signal_stop()
        try:
            self.child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()


class Gateway(StackProcess):
    """The gateway at a fixed address."""

    @property
    def url(self) -> str:
        """Its public address."""
        return f"http://127.0.0.1:{self.port}"

    @override
    async def is_ready(self) -> bool:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
            try:
                answer = await http.get(self.url + "/readyz")
            except httpx.TransportError:
                return False
            return answer.is_success


class Orchestrator(StackProcess):
    """The orchestrator at a fixed address."""

    @property
    def address(self) -> str:
        """Its gRPC address."""
        return f"127.0.0.1:{self.port}"

    @override
    async def is_ready(self) -> bool:
        async with grpc.aio.insecure_channel(
            self.address, options=[("grpc.enable_http_proxy", 0)]
        ) as channel:
            check = channel.unary_unary(
                "/grpc.health.v1.Health/Check",
                request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )
            try:
                answer = await check(health_pb2.HealthCheckRequest(), timeout=5)
            except grpc.aio.AioRpcError:
                return False
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


class Stack:
    """A gateway, an orchestrator and a database in one directory.

    `model_url` makes the crews speak with that OpenAI-compatible server instead
    of the simulated coach. Further settings are environment variables.
    """

    def __init__(
        self,
        directory: Path,
        *,
        model_url: str | None = None,
        gateway_settings: Mapping[str, str] | None = None,
        orchestrator_settings: Mapping[str, str] | None = None,
        tokens_per_second: int | None = None,
        database_directory: Path | None = None,
        model_patience_seconds: int = 2,
    ) -> None:
        self.directory = directory
        self.database = (database_directory or directory) / "venturebots.db"
        directory.mkdir(parents=True, exist_ok=True)
        configs = directory / "configs"
        write_configs(
            configs,
            model_url=model_url,
            tokens_per_second=tokens_per_second,
            patience_seconds=model_patience_seconds,
        )
        orchestrator_port = free_port()
        self.orchestrator = Orchestrator(
            name="orchestrator",
            module="services.orchestrator",
            port=orchestrator_port,
            directory=directory,
            environment={
                "VB_ORCHESTRATOR_PORT": str(orchestrator_port),
                "VB_ORCHESTRATOR_METRICS_PORT": str(free_port()),
                "VB_ORCHESTRATOR_CONFIG_DIRECTORY": str(configs),
                "VB_ORCHESTRATOR_DEFAULT_MODEL": MODEL,
                "VB_ORCHESTRATOR_DRAIN_GRACE_SECONDS": "1",
                **(orchestrator_settings or {}),
            },
        )
        gateway_port = free_port()
        self.gateway = Gateway(
            name="gateway",
            module="services.api_gateway",
            port=gateway_port,
            directory=directory,
            environment={
                "VB_GATEWAY_PORT": str(gateway_port),
                "VB_GATEWAY_METRICS_PORT": str(free_port()),
                "VB_GATEWAY_DATABASE_PATH": str(self.database),
                "VB_GATEWAY_ORCHESTRATOR_ADDRESSES": self.orchestrator.address,
                **_GENEROUS_LIMITS,
                **(gateway_settings or {}),
            },
        )

    @property
    def url(self) -> str:
        """The gateway's public address."""
        return self.gateway.url

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    async def start(self) -> None:
        """Start both processes and wait until both serve."""
        self.orchestrator.spawn()
        self.gateway.spawn()
        try:
            await self.orchestrator.until_ready()
            await self.gateway.until_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop whatever lives."""
        self.gateway.stop()
        self.orchestrator.stop()
