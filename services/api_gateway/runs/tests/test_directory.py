"""Which orchestrators are known, and which one takes the next run."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.api_gateway.runs.directory import OrchestratorDirectory
from services.api_gateway.runs.tests.pods import Pod, Zone
from services.api_gateway.runs.tests.scripted_orchestrator import (
    ScriptedOrchestrator,
    ScriptedRun,
    reply_events,
)

SOON = 0.02


async def until(holds: Callable[[], bool]) -> None:
    """Look again until it holds."""
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(SOON)


@asynccontextmanager
async def following(
    *names: str, zone: Zone | None = None
) -> AsyncIterator[OrchestratorDirectory]:
    """A directory that looks names up in a zone, often."""
    directory = OrchestratorDirectory(
        names=names,
        token_file=None,
        look_up=(zone or Zone()).look_up,
        resolve_seconds=SOON,
    )
    await directory.start()
    try:
        yield directory
    finally:
        await directory.aclose()


@pytest.fixture
async def pods() -> AsyncIterator[list[Pod]]:
    """Three pods on one port of three addresses."""
    started = [Pod("127.0.0.1"), Pod("127.0.0.2"), Pod("127.0.0.3")]
    port = 0
    for pod in started:
        port = await pod.start(port)
    yield started
    for pod in started:
        await pod.stop()


def addresses(directory: OrchestratorDirectory) -> list[str]:
    """Where new runs may go, each once."""
    return sorted({place.address for place in directory.places(4)})


async def test_runs_go_to_the_least_loaded() -> None:
    both = [ScriptedOrchestrator("one"), ScriptedOrchestrator("two")]
    for each in both:
        await each.start()
    async with following(*(each.address for each in both)) as directory:
        await until(lambda: len(addresses(directory)) == 2)
        each_twice = sorted([each.address for each in both] * 2)
        assert sorted(place.address for place in directory.places(4)) == each_twice
        picked = [await directory.pick(wait_seconds=1) for _ in range(4)]
        assert sorted(one.address for one in picked if one is not None) == each_twice
    for each in both:
        await each.stop()


async def test_pods_that_come_and_go_are_followed(pods: list[Pod]) -> None:
    one, two, three = pods
    zone = Zone(one.host, two.host)
    async with following(f"coach:{one.port}", zone=zone) as directory:
        await until(lambda: addresses(directory) == [one.address, two.address])
        zone.addresses = {two.host, three.host}
        await until(lambda: addresses(directory) == [two.address, three.address])
        zone.is_down = True
        await two.stop()
        await until(lambda: addresses(directory) == [three.address])
        three.is_ready = False
        await until(lambda: directory.places(1) == [])
        assert await directory.pick(wait_seconds=0) is None


async def test_a_new_pod_takes_runs_until_it_has_as_many(pods: list[Pod]) -> None:
    old, new, _ = pods
    for number in range(3):
        old.runs[f"r{number}"] = ScriptedRun(reply_events("m", ["word"]))
    zone = Zone(old.host)
    async with following(f"coach:{old.port}", zone=zone) as directory:
        await until(lambda: addresses(directory) == [old.address])
        zone.addresses.add(new.host)
        await until(lambda: addresses(directory) == [old.address, new.address])
        given = [place.address for place in directory.places(5)]
    assert given.count(new.address) == 4
    assert given[:3] == [new.address] * 3


async def test_a_process_with_two_addresses_is_one(pods: list[Pod]) -> None:
    one, two, three = pods
    two.instance_id = one.instance_id
    zone = Zone(*(pod.host for pod in pods))
    async with following(f"coach:{one.port}", zone=zone) as directory:
        await until(lambda: all(seen.description for seen in directory.seen()))
        await until(lambda: len(directory.seen()) == len(pods))
        given = [place.instance_id for place in directory.places(4)]
    assert sorted(given) == sorted([one.instance_id, three.instance_id] * 2)


async def test_an_address_that_is_gone_is_kept_while_a_run_is_there(
    pods: list[Pod],
) -> None:
    one, two, _ = pods
    zone = Zone(one.host, two.host)
    async with following(f"coach:{one.port}", zone=zone) as directory:
        await until(lambda: len(addresses(directory)) == 2)
        with directory.visit(two.address) as gone:
            zone.addresses = {one.host}
            await until(lambda: len(directory.seen()) == 1)
            looked_up = len(zone.asked)
            await until(lambda: len(zone.asked) > looked_up + 2)
            assert (await gone.client.describe()).instance_id == two.instance_id
            with directory.visit(two.address) as again:
                assert again is gone

        def is_forgotten() -> bool:
            with directory.visit(two.address) as found:
                return found is not gone

        await until(is_forgotten)
        two.asked.clear()
        looked_up = len(zone.asked)
        await until(lambda: len(zone.asked) > looked_up + 2)
        assert not two.asked.is_set(), "nobody asks what DNS does not give"


async def test_no_run_was_dispatched_to_a_name() -> None:
    async with following("127.0.0.1:1") as directory:
        with (
            pytest.raises(ValueError, match=r"elsewhere\.example:50051"),
            directory.visit("elsewhere.example:50051"),
        ):
            pass


def test_a_gateway_without_the_token_it_was_promised_does_not_start(
    tmp_path: Path,
) -> None:
    with pytest.raises(FileNotFoundError, match="missing-token"):
        OrchestratorDirectory(
            names=["coach:50051"], token_file=tmp_path / "missing-token"
        )
