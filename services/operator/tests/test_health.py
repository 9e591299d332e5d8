"""Whether the API server is still heard, by what was read of each watch."""

import asyncio
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from services.operator.health import WatchHealth
from services.operator.metrics import Metrics


@dataclass(slots=True)
class _Content:
    total_bytes: int = 0


def _health(*, expected: int, stale_seconds: float) -> WatchHealth:
    metrics = Metrics(CollectorRegistry())
    return WatchHealth(expected=expected, stale_seconds=stale_seconds, metrics=metrics)


async def _until_dead(health: WatchHealth) -> None:
    async with asyncio.timeout(10):
        while health.is_alive:
            await asyncio.sleep(0.02)


async def test_it_watches_once_every_watch_was_opened() -> None:
    health = _health(expected=2, stale_seconds=60)

    health.opened("/crews", _Content())
    health.opened("/crews", _Content())
    watching = [health.is_watching]
    health.opened("/agents", _Content())
    watching.append(health.is_watching)

    assert watching == [False, True]


async def test_a_process_that_never_watched_is_not_alive_for_ever() -> None:
    health = _health(expected=1, stale_seconds=0.2)

    await _until_dead(health)

    assert not health.is_watching


async def test_one_quiet_watch_is_enough_to_be_stale() -> None:
    health = _health(expected=2, stale_seconds=2.5)
    heard, quiet = _Content(), _Content()
    health.opened("/crews", heard)
    health.opened("/agents", quiet)
    ticks = asyncio.Queue[float]()

    def tick() -> None:
        heard.total_bytes += 1
        ticks.put_nowait(health.age_seconds)

    running = asyncio.create_task(health.run(tick))
    try:
        assert health.is_alive
        await _until_dead(health)
        quiet.total_bytes += 1
        alive = False
        async with asyncio.timeout(10):
            while not alive:
                await ticks.get()
                alive = health.is_alive
    finally:
        running.cancel()


async def test_a_loop_that_does_not_tick_is_not_alive() -> None:
    health = _health(expected=1, stale_seconds=0.2)
    health.opened("/crews", _Content())

    async with asyncio.timeout(10):
        while health.is_alive:
            await asyncio.sleep(0.02)
            # Heard all the time: it is the appointment that was not kept.
            health.opened("/crews", _Content())

    assert health.age_seconds < 0.2
