"""One real stack to abuse, whose coach is a model server under a test's control."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from libs.testing.client import FounderClient
from libs.testing.model_server import ModelServer, Pace
from libs.testing.stack import Orchestrator, Stack, free_port

_QUEUE_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Target:
    """A stack and what can be seen of its gateway from outside."""

    stack: Stack
    model_port: int
    spare: Orchestrator
    """A second orchestrator the gateway knows the address of; not started."""

    @property
    def port(self) -> int:
        """Where the gateway listens."""
        return self.stack.gateway.port

    def resident_bytes(self) -> int:
        """The gateway's memory."""
        return int(psutil.Process(self.stack.gateway.pid).memory_info().rss)

    def connections(self) -> int:
        """How many connections the gateway has with its clients."""
        process = psutil.Process(self.stack.gateway.pid)
        return sum(
            each.laddr.port == self.port and each.status != psutil.CONN_LISTEN
            for each in process.net_connections("tcp")
        )

    async def open_sockets(self) -> int:
        """How many sockets and live streams the gateway counts."""
        port = self.stack.gateway.environment["VB_GATEWAY_METRICS_PORT"]
        async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
            metrics = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
        return sum(
            int(sample.value)
            for family in text_string_to_metric_families(metrics)
            for sample in family.samples
            if sample.name == "venturebots_gateway_sockets"
        )


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Run the stack."""
    directory: Path = tmp_path_factory.mktemp("abused")
    model_port = free_port()
    stack = Stack(
        directory,
        model_url=f"http://127.0.0.1:{model_port}/v1",
        model_patience_seconds=60,
        gateway_settings={"VB_GATEWAY_QUEUE_LIMIT": str(_QUEUE_LIMIT)},
    )
    spare = _spare_of(stack.orchestrator)
    stack.gateway.environment["VB_GATEWAY_ORCHESTRATOR_ADDRESSES"] = (
        f"{stack.orchestrator.address},{spare.address}"
    )
    asyncio.run(stack.start())
    try:
        yield Target(stack, model_port, spare)
    finally:
        spare.stop()
        stack.stop()


def _spare_of(orchestrator: Orchestrator) -> Orchestrator:
    port = free_port()
    ports = {
        "VB_ORCHESTRATOR_PORT": str(port),
        "VB_ORCHESTRATOR_METRICS_PORT": str(free_port()),
    }
    return Orchestrator(
        name="spare",
        module=orchestrator.module,
        port=port,
        directory=orchestrator.directory,
        environment=orchestrator.environment | ports,
    )


@pytest.fixture
async def model(target: Target) -> AsyncIterator[ModelServer]:
    """Serve the model: 150 tokens at 100 a second."""
    pace = Pace(tokens_per_second=100, tokens_per_reply=150)
    async with ModelServer(pace, port=target.model_port) as server:
        yield server


@pytest.fixture
async def founder(target: Target, model: ModelServer) -> AsyncIterator[FounderClient]:
    """Arrive as a new founder."""
    assert model.requests == []
    async with await FounderClient.arrive(target.stack.url) as client:
        yield client
