"""Dialling: all addresses of a name in turn, and again for as long as it takes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from libs.crewspec.credentials import Credentials
from libs.crewspec.packages import read_packages
from services import agents
from services.orchestrator.clients.crew_discovery import Subscription
from services.orchestrator.crews.fallback_files import FallbackFiles
from services.orchestrator.crews.in_force import SetCompiler
from services.orchestrator.crews.operator_addresses import addresses_of
from services.orchestrator.crews.probes import ProbeRunner
from services.orchestrator.crews.registry import CrewRegistry
from services.orchestrator.crews.rollout_stats import RolloutStats
from services.orchestrator.crews.stream_source import Operator, StreamSource
from services.orchestrator.metrics import Metrics
from services.orchestrator.runs.observation import Observation
from services.orchestrator.tests.played_operator import PlayedOperator
from services.orchestrator.tests.scripted_engine import ScriptedEngine
from services.orchestrator.tests.told_documents import update_of


class _Names:
    """A resolver that a test can change."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked = 0
        self._asked_again = asyncio.Event()

    async def __call__(self, address: str) -> Sequence[str]:
        self.asked += 1
        self._asked_again.set()
        if not self.addresses:
            raise OSError(f"{address} is not known")
        return self.addresses

    async def until_asked(self, times: int) -> None:
        """Wait until the name was looked up so often."""
        async with asyncio.timeout(20):
            while self.asked < times:
                self._asked_again.clear()
                await self._asked_again.wait()


@asynccontextmanager
async def followed(names: _Names, directory: Path) -> AsyncIterator[CrewRegistry]:
    """Follow an operator behind a name; gives what it has put in force."""
    metrics = Metrics(CollectorRegistry())
    registry = CrewRegistry(source="none", metrics=metrics)
    probes = ProbeRunner(
        engine=ScriptedEngine(), crews=registry, observation=Observation(metrics)
    )
    source = StreamSource(
        operator=Operator(
            address="operator:50052",
            token_file=None,
            subscription=Subscription("i1", "1.0", "node"),
            resolve=names,
        ),
        wait_seconds=0,
        compiler=SetCompiler(
            default_model="simulated",
            environment={},
            credentials=Credentials(allows_local=False),
            packages=read_packages(Path(agents.__path__[0])),
        ),
        registry=registry,
        files=FallbackFiles(directory, None),
        stats=RolloutStats(),
        probes=probes,
        metrics=metrics,
    )
    stop = asyncio.Event()
    await source.load()
    following = asyncio.create_task(source.follow(stop))
    try:
        yield registry
    finally:
        stop.set()
        await following


async def test_a_replica_that_stands_by_sends_on_to_the_one_that_leads(
    tmp_path: Path,
) -> None:
    async with (
        PlayedOperator(update_of(), stands_by=True, host="127.0.0.1") as first,
        PlayedOperator(update_of(), host="127.0.0.2") as second,
        followed(_Names(first.address, second.address), tmp_path) as registry,
    ):
        await (await second.stream()).answer(1)
        assert (first.refused, registry.source) == (1, "stream:operator:50052")
        # The roles change: the new leader is found, whoever is asked first.
        first.stands_by, second.stands_by = False, True
        (await second.stream()).end()
        await (await first.stream()).answer(1)
        assert second.refused == 0


async def test_an_address_where_nobody_is_does_not_hold_up_the_others(
    tmp_path: Path,
) -> None:
    async with PlayedOperator() as gone:
        dead = gone.address
    async with (
        PlayedOperator(update_of()) as operator,
        followed(_Names(dead, operator.address), tmp_path) as registry,
    ):
        await (await operator.stream()).answer(1)
        assert registry.in_force.crews


async def test_a_name_is_looked_up_again_until_it_has_an_address(
    tmp_path: Path,
) -> None:
    names = _Names()
    async with (
        PlayedOperator(update_of()) as operator,
        followed(names, tmp_path) as registry,
    ):
        await names.until_asked(3)
        assert registry.source == "none"
        names.addresses = (operator.address,)
        await registry.wait_for_crews()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:50052", ["127.0.0.1:50052"]),
        ("[::1]:50052", ["[::1]:50052"]),
        ("unix:/run/operator", ["unix:/run/operator"]),
    ],
)
async def test_an_address_stands_for_itself(address: str, expected: list[str]) -> None:
    assert await addresses_of(address) == expected


@pytest.mark.parametrize("host", ["no-such-name.invalid", "a" * 300, ".."])
async def test_a_name_without_an_address_is_an_error_of_the_system(host: str) -> None:
    with pytest.raises(OSError, match=r".+"):
        await addresses_of(f"{host}:50052")
