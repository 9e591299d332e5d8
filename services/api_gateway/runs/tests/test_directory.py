"""Which orchestrators are known, and which one takes the next run."""

import asyncio

import pytest

from services.api_gateway.runs.directory import OrchestratorDirectory
from services.api_gateway.runs.tests.scripted_orchestrator import ScriptedOrchestrator

SOON = 0.02


async def test_runs_go_to_the_least_loaded() -> None:
    both = [ScriptedOrchestrator("one"), ScriptedOrchestrator("two")]
    for each in both:
        await each.start()
    directory = OrchestratorDirectory(
        names=[each.address for each in both], token_file=None
    )
    await directory.start()
    async with asyncio.timeout(20):
        while len([one for one in directory.seen() if one.description]) < len(both):
            await asyncio.sleep(SOON)
    picked = [await directory.pick(wait_seconds=1) for _ in range(4)]
    addresses = [one.address for one in picked if one is not None]
    assert sorted(addresses) == sorted([each.address for each in both] * 2)
    await directory.aclose()
    for each in both:
        await each.stop()


async def test_an_address_that_is_gone_is_forgotten_once_no_run_can_be_there() -> None:
    directory = OrchestratorDirectory(
        names=["127.0.0.1:1"], token_file=None, resolve_seconds=SOON, kept_seconds=0
    )
    gone = directory.find("127.0.0.1:2")
    assert directory.find("127.0.0.1:2") is gone
    await directory.start()
    async with asyncio.timeout(20):
        while directory.find("127.0.0.1:2") is gone:
            await asyncio.sleep(SOON)
    assert [one.address for one in directory.seen()] == ["127.0.0.1:1"]
    await directory.aclose()


@pytest.mark.parametrize("name", ["", "localhost", ":50051", "host:port", '["a:1"]'])
def test_a_name_without_a_host_and_a_port_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        OrchestratorDirectory(names=[name], token_file=None)
