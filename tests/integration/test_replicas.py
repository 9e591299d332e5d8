"""Real orchestrators behind one name are replaced under load: no reply is lost."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import override

import pytest

from libs.testing.client import FounderClient
from libs.testing.stack import Orchestrator, free_port, until
from libs.testing.stack_configs import MODEL, write_configs
from services.api_gateway.config import LimitSettings
from services.api_gateway.tests.gateway import (
    RunningGateway,
    config_for,
    open_gateway,
)
from tests.integration.proofs import prove_log, verify_database

_FOUNDERS = 4
_PATIENCE_SECONDS = 60
_DRAIN_SECONDS = 60


class Replica(Orchestrator):
    """One pod: the port of all, an address of its own."""

    @property
    def host(self) -> str:
        """Its address without the port."""
        return self.environment["VB_ORCHESTRATOR_HOST"]

    @property
    @override
    def address(self) -> str:
        return f"{self.host}:{self.port}"


class Cluster:
    """A name whose addresses the test decides on."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.ready: set[str] = set()
        self.replicas: list[Replica] = []
        self.token_file = directory / "token"
        self.token_file.write_text("between services\n", "utf-8")
        write_configs(
            directory / "configs",
            model_url=None,
            tokens_per_second=25,
            patience_seconds=2,
        )

    async def look_up(self, host: str) -> Collection[str]:
        """Answer as the DNS of a headless Service: whoever is ready."""
        assert host == "orchestrators"
        return frozenset(self.ready)

    def spawn(self, host: str) -> Replica:
        """Start a process at an address, which is not ready yet."""
        replica = Replica(
            name=f"orchestrator-{len(self.replicas)}",
            module="services.orchestrator",
            port=self.port,
            directory=self.directory,
            environment={
                "VB_ORCHESTRATOR_HOST": host,
                "VB_ORCHESTRATOR_PORT": str(self.port),
                "VB_ORCHESTRATOR_METRICS_PORT": str(free_port()),
                "VB_ORCHESTRATOR_CONFIG_DIRECTORY": str(self.directory / "configs"),
                "VB_ORCHESTRATOR_DEFAULT_MODEL": MODEL,
                "VB_ORCHESTRATOR_TOKEN_FILE": str(self.token_file),
                "VB_ORCHESTRATOR_DRAIN_GRACE_SECONDS": str(_DRAIN_SECONDS),
            },
        )
        self.replicas.append(replica)
        replica.spawn()
        return replica

    async def publish(self, replica: Replica) -> None:
        """Wait until a process is ready and let DNS give its address."""
        await replica.until_ready()
        self.ready.add(replica.host)

    async def terminate(self, replica: Replica) -> None:
        """End a process as a cluster does: out of DNS, and SIGTERM, at once."""
        self.ready.discard(replica.host)
        replica.signal_stop()
        status = await replica.exited(_DRAIN_SECONDS)
        assert status == 0, replica.log_tail()


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Whatever was started ends with the test."""
    cluster = Cluster(tmp_path)
    yield cluster
    for replica in cluster.replicas:
        replica.kill()


@asynccontextmanager
async def _gateway(cluster: Cluster) -> AsyncIterator[RunningGateway]:
    config = config_for(
        cluster.directory,
        orchestrator_addresses=(f"orchestrators:{cluster.port}",),
        orchestrator_token_file=cluster.token_file,
        limits=LimitSettings(messages_per_minute=10_000),
    )
    async with open_gateway(config, look_up=cluster.look_up) as gateway:
        yield gateway


def _places(cluster: Cluster) -> Counter[str]:
    """How many runs were dispatched to each process."""
    path = cluster.directory / "venturebots.db"
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT instance_id, count(*) FROM runs GROUP BY instance_id"
        )
        return Counter(dict(rows.fetchall()))


async def _dispatched(cluster: Cluster, *, processes: int) -> None:
    async def holds() -> bool:
        return len(_places(cluster)) >= processes

    await until(
        holds,
        timeout_seconds=_PATIENCE_SECONDS,
        what=f"runs on {processes} processes, {_places(cluster)} so far",
    )


async def _talk(url: str, goes_on: Callable[[], bool]) -> int:
    """Ask one question after another; every one must be answered whole."""
    asked = 0
    async with await FounderClient.arrive(url) as founder:
        session = await founder.create_session()
        async with founder.following(session["session_id"]) as socket:
            while goes_on():
                sent = await founder.send(session["session_id"], f"Question {asked}")
                end = await socket.ended(session["stream"], sent["run_id"])
                assert end == "run.finished"
                asked += 1
        await prove_log(founder, session["session_id"])
    return asked


async def test_replicas_share_the_load_and_are_replaced_without_a_loss(
    cluster: Cluster,
) -> None:
    one, two = cluster.spawn("127.0.0.1"), cluster.spawn("127.0.0.2")
    await cluster.publish(one)
    await cluster.publish(two)
    is_over = asyncio.Event()
    async with _gateway(cluster) as gateway, asyncio.TaskGroup() as group:
        talks = [
            group.create_task(_talk(gateway.url, lambda: not is_over.is_set()))
            for _ in range(_FOUNDERS)
        ]
        await _dispatched(cluster, processes=2)
        three = cluster.spawn("127.0.0.3")
        await cluster.publish(three)
        await _dispatched(cluster, processes=3)
        await cluster.terminate(one)
        # Another process at the address of the first, as pods do it.
        heir = cluster.spawn(one.host)
        await cluster.publish(heir)
        await _dispatched(cluster, processes=4)
        await cluster.terminate(two)
        is_over.set()
    assert sum(task.result() for task in talks) == _places(cluster).total()
    await verify_database(cluster.directory / "venturebots.db")


async def test_a_gateway_that_restarts_finds_runs_on_replicas_out_of_dns(
    cluster: Cluster,
) -> None:
    leaving = cluster.spawn("127.0.0.1")
    await cluster.publish(leaving)
    async with _gateway(cluster) as gateway:
        founder = await FounderClient.arrive(gateway.url)
        session = await founder.create_session()
        async with founder.following(session["session_id"]) as socket:
            sent = await founder.send(session["session_id"], "At length, please.")
            state = socket.state(session["stream"])
            await socket.until(lambda: bool(state.seen("message.delta")))
    # Out of DNS and draining, with nobody to be followed by.
    cluster.ready.clear()
    leaving.signal_stop()
    async with _gateway(cluster) as gateway:
        async with FounderClient(
            gateway.url, token=founder.token, founder=founder.founder
        ) as again:
            async with again.following(session["session_id"]) as socket:
                end = await socket.ended(session["stream"], sent["run_id"])
            assert end == "run.finished"
            await prove_log(again, session["session_id"])
        assert await leaving.exited(_DRAIN_SECONDS) == 0, leaving.log_tail()
    await founder.http.aclose()
