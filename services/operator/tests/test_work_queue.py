"""Keys wait once, are worked on by one, and come back later after failures."""

import asyncio

from services.operator.work_queue import WorkQueue


async def test_a_key_that_waits_is_handed_out_once() -> None:
    queue = WorkQueue[str]()
    for key in ("a", "b", "a", "a"):
        queue.add(key)

    assert [await queue.take(), await queue.take()] == ["a", "b"]
    assert len(queue) == 0


async def test_a_key_is_never_worked_on_twice_at_once() -> None:
    queue = WorkQueue[str]()
    queue.add("a")
    key = await queue.take()

    queue.add("a")
    other = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    assert not other.done()

    queue.done(key)
    assert await other == "a"


async def test_a_delayed_key_comes_when_it_is_due_and_once() -> None:
    queue = WorkQueue[str]()
    queue.add_after("late", 0.05)
    queue.add_after("late", 30)
    queue.add_after("early", 0.01)

    assert [await queue.take(), await queue.take()] == ["early", "late"]
    assert queue.is_idle is False
    for key in ("early", "late"):
        queue.done(key)
    assert queue.is_idle


async def test_the_earlier_of_two_delays_counts() -> None:
    queue = WorkQueue[str]()
    queue.add_after("a", 30)
    queue.add_after("a", 0.01)

    async with asyncio.timeout(5):
        assert await queue.take() == "a"


async def test_a_key_that_is_added_does_not_wait_for_its_delay() -> None:
    queue = WorkQueue[str]()
    queue.add_after("a", 30)
    queue.add("a")

    async with asyncio.timeout(5):
        assert await queue.take() == "a"
    queue.done("a")
    assert queue.is_idle


async def test_failures_double_the_delay_until_something_goes_well() -> None:
    queue = WorkQueue[str]()
    delays = [queue.retry("a") for _ in range(12)]
    queue.clear()
    fresh = WorkQueue[str]()
    fresh.retry("a")
    fresh.succeeded("a")

    bounds = [min(2.0**number, 300) for number in range(12)]
    assert all(
        0.8 * bound <= delay <= bound
        for delay, bound in zip(delays, bounds, strict=True)
    )
    assert fresh.retry("a") <= 1


async def test_what_is_cleared_does_not_come() -> None:
    queue = WorkQueue[str]()
    queue.add("a")
    queue.add_after("b", 0.01)
    queue.clear()
    queue.add_after("c", 0.02)

    assert await queue.take() == "c"
    assert len(queue) == 0
