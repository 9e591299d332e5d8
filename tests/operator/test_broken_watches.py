"""Ways to an API server that is well: broken off, silent; and a long absence."""

import asyncio
import time

import pytest

from tests.operator.bench import Bench, figure
from tests.operator.played_orchestrator import PlayedOrchestrator
from tests.operator.relay import Relay

pytestmark = pytest.mark.timeout(600)
_STALE_SECONDS = 80
"""More than the minute after which an API server speaks of a watch without news."""
_ABSENCE_SECONDS = 60


async def test_watches_that_are_reset_are_taken_up_again(bench: Bench) -> None:
    bench.fleet("o1")
    bench.agent()
    bench.crew("coaching")
    async with Relay(bench.api.url) as relay:
        replica = await bench.replica(url=relay.url)
        async with PlayedOrchestrator("o1", [replica.address]) as orchestrator:
            await bench.until_ready("coaching")
            for number in range(3):
                # Crews, agents and what else is watched, each with a connection.
                assert relay.reset() >= 3
                bench.crew("coaching", prompt=f"Answer in {number + 3} words.")
                status = await bench.until_ready("coaching")
                await orchestrator.until_stable("coaching", status["stableDigest"])
        wholes = orchestrator.wholes

    assert replica.exit_code() is None
    assert wholes == 1, "orchestrators have lost nothing and are not told all anew"


@pytest.mark.soak
async def test_silence_is_noticed_and_what_was_missed_is_caught_up_with(
    bench: Bench,
) -> None:
    bench.fleet("o1")
    bench.agent()
    bench.crew("coaching")
    async with Relay(bench.api.url) as relay:
        replica = await bench.replica(
            url=relay.url, WATCH_STALE_SECONDS=str(_STALE_SECONDS)
        )
        async with PlayedOrchestrator("o1", [replica.address]) as orchestrator:
            await bench.until_ready("coaching")
            served = orchestrator.stable()
            assert replica.status("/livez") == 200
            relay.hush()
            bench.crew("coaching", prompt="Answer after the silence.")
            began = time.monotonic()
            await bench.until(lambda: replica.status("/livez") == 500, seconds=200)
            silent = time.monotonic() - began
            assert orchestrator.stable() == served
            relay.speak()
            status = await bench.until_ready("coaching")
            await orchestrator.until_stable("coaching", status["stableDigest"])
            await bench.until(lambda: replica.status("/livez") == 200, seconds=120)

    figure(f"silence noticed after {silent:.0f} s")
    assert replica.exit_code() is None


@pytest.mark.soak
async def test_a_minute_without_an_api_server_is_survived(bench: Bench) -> None:
    bench.fleet("o1")
    bench.agent()
    bench.crew("coaching")
    replica = await bench.replica()

    async with PlayedOrchestrator("o1", [replica.address]) as orchestrator:
        await bench.until_ready("coaching")
        served = orchestrator.stable()
        with bench.api.away():
            await asyncio.sleep(_ABSENCE_SECONDS)
            assert orchestrator.stable() == served
        bench.crew("coaching", prompt="Answer after the absence.")
        back = time.monotonic()
        status = await bench.until_ready("coaching", seconds=60)
        took = time.monotonic() - back
        await orchestrator.until_stable("coaching", status["stableDigest"])

    figure(f"ready {took:.1f} s after the API server was away for a minute")
    assert replica.exit_code() is None
    assert not [each for each in bench.writes() if each.code == 429]
