"""Replicas that die, stand still or end; an API server that is away."""

import asyncio
import time
from itertools import pairwise

import pytest

from tests.operator.bench import USERS, Bench, condition, figure
from tests.operator.manifests import crew
from tests.operator.played_orchestrator import PlayedOrchestrator

pytestmark = pytest.mark.timeout(300)
_LEASE_SECONDS = 15
_EDITS = 300
_CREWS = 30


async def test_a_leader_that_dies_is_replaced_and_no_edit_is_lost(bench: Bench) -> None:
    bench.fleet("o1")
    bench.agent()
    for number in range(_CREWS):
        bench.crew(f"crew-{number}")
    leader, heir = await bench.replica(USERS[0]), await bench.replica(USERS[1])
    addresses = [leader.address, heir.address]

    async with PlayedOrchestrator("o1", addresses) as orchestrator:
        for number in range(_CREWS):
            await bench.until_ready(f"crew-{number}")
        assert leader.leads
        assert not heir.leads
        editing = asyncio.create_task(_edit_all(bench))
        await asyncio.sleep(1)
        died = time.monotonic()
        leader.kill()
        await bench.until(lambda: heir.leads, seconds=3 * _LEASE_SECONDS)
        took = time.monotonic() - died
        last = await editing
        for name, prompt in last.items():
            status = await bench.until_ready(name)
            digest = status["stableDigest"]
            await orchestrator.until_stable(name, digest)
            assert prompt in orchestrator.contents[digest]

    figure(f"new leader after {took:.1f} s")
    assert took <= 2 * _LEASE_SECONDS
    assert len(last) == _CREWS
    lease = bench.api.get("Lease", bench.namespace, "operator")
    assert lease["spec"]["leaseTransitions"] == 1
    _assert_one_writer_at_a_time(bench)


async def test_a_leader_that_ends_leaves_at_once(bench: Bench) -> None:
    bench.fleet("o1")
    bench.agent()
    bench.crew("coaching")
    leader, heir = await bench.replica(USERS[0]), await bench.replica(USERS[1])

    async with PlayedOrchestrator("o1", [leader.address, heir.address]):
        await bench.until_ready("coaching")
        began = time.monotonic()
        assert await asyncio.to_thread(leader.terminate) == 0
        ended = time.monotonic()
        await bench.until(lambda: heir.leads)
        took = time.monotonic() - began
        bench.crew("coaching", prompt="Answer the heir.")
        await bench.until_ready("coaching")

    figure(f"ended in {ended - began:.1f} s, new leader after {took:.1f} s")
    assert took < _LEASE_SECONDS / 2
    _assert_one_writer_at_a_time(bench)


async def test_a_leader_that_ends_leaves_what_orchestrators_start_with(
    bench: Bench,
) -> None:
    bench.fleet("o1")
    bench.agent()
    bench.crew("coaching")
    leader = await bench.replica(BOOTSTRAP_SECONDS="600")

    async with PlayedOrchestrator("o1", [leader.address]):
        first = (await bench.until_ready("coaching"))["stableDigest"]
        await bench.until(lambda: first in bench.bootstrap())
        bench.crew("coaching", prompt="Answer once more.")
        second = (await bench.until_ready("coaching"))["stableDigest"]
        assert second not in bench.bootstrap()

        assert await asyncio.to_thread(leader.terminate) == 0

    assert second in bench.bootstrap()


async def test_a_leader_that_stood_still_does_not_write_any_more(bench: Bench) -> None:
    bench.fleet("o1")
    bench.agent()
    bench.crew("coaching")
    leader, heir = await bench.replica(USERS[0]), await bench.replica(USERS[1])

    async with PlayedOrchestrator("o1", [leader.address, heir.address]):
        await bench.until_ready("coaching")
        leader.freeze()
        for number in range(10):
            bench.crew("coaching", prompt=f"Answer in {number + 3} words.")
        await bench.until(lambda: heir.leads, seconds=3 * _LEASE_SECONDS)
        leader.thaw()
        await bench.until(lambda: not leader.leads)
        bench.crew("coaching", prompt="Answer the heir.")
        await bench.until_ready("coaching")
        await bench.until(lambda: leader.status("/readyz") == 200)

    _assert_one_writer_at_a_time(bench)


async def test_an_api_server_that_was_away_is_caught_up_with(bench: Bench) -> None:
    bench.fleet("o1")
    bench.agent()
    bench.crew("coaching")
    bench.crew("welcome")
    replica = await bench.replica(WATCH_STALE_SECONDS="4")

    async with PlayedOrchestrator("o1", [replica.address]) as orchestrator:
        await bench.until_ready("coaching")
        await bench.until_ready("welcome")
        served = orchestrator.stable()
        with bench.api.away():
            await bench.until(lambda: replica.status("/livez") == 500)
            # Longer than the Lease is renewed: the leader has stepped down.
            await bench.until(lambda: not replica.leads)
            assert orchestrator.stable() == served
        bench.crew("coaching", prompt="Answer after the storm.")
        bench.api.delete("Crew", bench.namespace, "welcome")
        back = time.monotonic()
        status = await bench.until_ready("coaching")
        took = time.monotonic() - back
        await orchestrator.until(
            lambda told: told.stable() == {"coaching": status["stableDigest"]}
        )
        await bench.until(lambda: replica.status("/livez") == 200)

    figure(f"ready {took:.1f} s after the API server was back")
    assert replica.exit_code() is None


async def test_a_roll_out_goes_on_where_a_dead_leader_left_it(bench: Bench) -> None:
    steps = [
        {"weight": 20, "pauseSeconds": 1},
        {"weight": 50, "pauseSeconds": 0, "requireApproval": True},
        {"weight": 100},
    ]
    rollout = {"steps": steps, "analysis": {"minTurns": 1}}
    bench.fleet("o1")
    bench.agent()
    bench.crew("coaching", rollout=rollout)
    first = await bench.replica(USERS[0])

    async with PlayedOrchestrator("o1", [first.address]) as orchestrator:
        before = await bench.until_ready("coaching")
        bench.crew("coaching", prompt="Answer otherwise.", rollout=rollout)
        await _counted_until(bench, orchestrator, weight=50)
        candidate = bench.status("coaching")["candidateDigest"]
        assert candidate not in {"", before["stableDigest"]}
    first.kill()
    second = await bench.replica(USERS[1])
    async with PlayedOrchestrator("o1", [second.address]) as orchestrator:
        await bench.until(lambda: second.leads, seconds=3 * _LEASE_SECONDS)
        await orchestrator.until(lambda told: told.assignments)
        assignment = orchestrator.assignments["coaching"]
        assert assignment.candidate_digest == candidate
        assert assignment.stable_digest == before["stableDigest"]
        assert assignment.candidate_weight == 50
        await bench.until_status(
            "coaching",
            lambda told: condition(told, "Ready") == "False AwaitingApproval",
        )
        annotation = {"crew.venturebots.dev/approve": candidate}
        bench.api.merge(
            "Crew",
            bench.namespace,
            "coaching",
            {"metadata": {"annotations": annotation}},
        )
        after = await _counted_until(bench, orchestrator, weight=0)

    assert after["stableDigest"] == candidate
    assert len(bench.revisions("coaching")) == 2
    found = bench.api.get("Crew", bench.namespace, "coaching")
    assert not found["metadata"].get("annotations")


async def test_a_deleted_document_outlives_the_leader_that_knew_it(
    bench: Bench,
) -> None:
    name = bench.crew_with_policy()
    first = await bench.replica(USERS[0])

    async with PlayedOrchestrator("o1", [first.address]):
        await bench.until_ready("coaching")
        await bench.until(lambda: '"mild"' in bench.bootstrap())
        await bench.without_policy()
    assert await asyncio.to_thread(first.terminate) == 0
    second = await bench.replica(USERS[1])
    async with PlayedOrchestrator("o1", [second.address]) as orchestrator:
        await orchestrator.until(lambda told: told.stable().get("coaching"))
        assert name in orchestrator.documents
        bench.crew("coaching")
        await orchestrator.until(lambda told: name not in told.documents)
        await bench.until(lambda: '"mild"' not in bench.bootstrap())


async def test_a_process_that_may_not_watch_any_more_ends(bench: Bench) -> None:
    bench.agent()
    replica = await bench.replica(USERS[0])

    with bench.api.without(USERS[0]):
        code = await bench.until(
            lambda: (replica.exit_code(),) if replica.exit_code() is not None else None,
            seconds=60,
        )

    assert code == (1,)
    assert "watches ended" in replica.told()


async def _edit_all(bench: Bench) -> dict[str, str]:
    """Edit crews in turn; return the last prompt of each."""
    last: dict[str, str] = {}
    for number in range(_EDITS):
        name = f"crew-{number % _CREWS}"
        last[name] = f"This is edit {number}."
        body = crew(name, bench.namespace, prompt=last[name])
        await asyncio.to_thread(bench.api.apply, body)
        await asyncio.sleep(0.02)
    return last


async def _counted_until(
    bench: Bench, orchestrator: PlayedOrchestrator, *, weight: int
) -> dict[str, object]:
    """Count good runs of both revisions until a weight is reached."""
    turns = 0
    while True:
        status = bench.status("coaching")
        if status.get("canaryWeight") == weight and (
            weight or not status["candidateDigest"]
        ):
            return status
        assignment = orchestrator.assignments.get("coaching")
        if assignment is not None and assignment.candidate_digest:
            turns += 5
            orchestrator.count("coaching", assignment.candidate_digest, turns=turns)
            orchestrator.count("coaching", assignment.stable_digest, turns=turns)
        await asyncio.sleep(0.2)


def _assert_one_writer_at_a_time(bench: Bench) -> None:
    """Whoever wrote for the first time did so after the other wrote for the last."""
    users = [write.user for write in bench.writes()]
    changes = sum(one != other for one, other in pairwise(users))
    assert changes <= 1, users
    assert {write.code for write in bench.writes()} & {400, 403, 422} == set()
