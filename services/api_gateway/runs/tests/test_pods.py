"""Runs on several orchestrators that come, go, drain and die."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from services.api_gateway.runs.directory import OrchestratorDirectory
from services.api_gateway.runs.pump import PumpLimits
from services.api_gateway.runs.service import RunService
from services.api_gateway.runs.tests.pods import Pod, Zone
from services.api_gateway.runs.tests.test_directory import pods, until
from services.api_gateway.runs.tests.test_runs import LIMITS, Bench, bench, ended
from services.api_gateway.store import NewSession

__all__ = ["bench", "pods"]

PATIENT = replace(LIMITS, lost_seconds=60, pick_seconds=60)
"""Whatever ends in a test ended for another reason than these."""


@asynccontextmanager
async def serving(
    bench: Bench,
    zone: Zone,
    port: int,
    *,
    owner: str = "gateway-1",
    limits: PumpLimits = LIMITS,
) -> AsyncIterator[RunService]:
    """A run service that looks its orchestrators up."""
    service = RunService(
        owner=owner,
        store=bench.store,
        directory=OrchestratorDirectory(
            names=[f"coach:{port}"],
            token_file=None,
            look_up=zone.look_up,
            resolve_seconds=0.02,
        ),
        limits=limits,
        lease_seconds=0.2,
    )
    await service.start()
    try:
        yield service
    finally:
        await service.aclose()


def knows(service: RunService, *pods: Pod) -> Callable[[], bool]:
    """Whether these pods, and no others, may take runs."""
    expected = sorted(pod.instance_id for pod in pods)
    return lambda: (
        sorted(
            seen.description.instance_id
            for seen in service.orchestrators()
            if seen.description is not None
        )
        == expected
    )


async def send_elsewhere(bench: Bench) -> str:
    """Accept a message in a session of its own; returns its run."""
    made = await bench.store.create_session(
        bench.key("session.create"), NewSession(title=None, has_opening=False)
    )
    bench.session_id = made.session.session_id
    return await bench.send()


async def stop(bench: Bench, service: RunService, run_id: str) -> None:
    """Stop a run as its founder would."""
    decision = await bench.store.cancel_run(bench.key("run.cancel"), run_id)
    if decision.active is not None:
        await service.stop_run(decision.active, "founder")


def speaks(bench: Bench) -> Callable[[], bool]:
    """Whether a reply began."""
    return lambda: "message.delta" in bench.log.types()


async def test_a_pod_that_leaves_keeps_its_run_and_gets_no_other(
    bench: Bench, pods: list[Pod]
) -> None:
    leaving, staying, _ = pods
    leaving.holds_at = 4
    zone = Zone(leaving.host)
    async with serving(bench, zone, leaving.port, limits=PATIENT) as service:
        await until(knows(service, leaving))
        first = await bench.send()
        service.wake()
        await until(speaks(bench))
        zone.addresses = {staying.host}
        await until(knows(service, staying))
        others = [await send_elsewhere(bench) for _ in range(3)]
        service.wake()
        await until(lambda: len(bench.log.terminals()) == 3)
        assert sorted(staying.executed) == sorted(others)
        leaving.finish()
        await until(lambda: len(bench.log.terminals()) == 4)
    assert leaving.executed == [first]
    assert {event["type"] for event in bench.log.terminals()} == {"run.finished"}


async def test_a_lost_call_to_a_pod_that_left_is_attached_again_there(
    bench: Bench, pods: list[Pod]
) -> None:
    leaving, staying, _ = pods
    leaving.holds_at = 4
    zone = Zone(leaving.host)
    async with serving(bench, zone, leaving.port, limits=PATIENT) as service:
        await until(knows(service, leaving))
        run_id = await bench.send()
        service.wake()
        await until(speaks(bench))
        zone.addresses = {staying.host}
        await until(knows(service, staying))
        await leaving.stop()
        leaving.finish()
        await leaving.start(leaving.port)
        await until(lambda: len(bench.log.terminals()) == 1)
    assert bench.log.types()[-1] == "run.finished"
    assert bench.log.text() == "".join(leaving.words)
    assert (leaving.executed, staying.executed) == ([run_id], [])


async def test_a_run_whose_pod_died_before_it_came_goes_to_another(
    bench: Bench, pods: list[Pod]
) -> None:
    dead, alive, _ = pods
    zone = Zone(dead.host)
    async with serving(bench, zone, dead.port, limits=PATIENT) as service:
        await until(knows(service, dead))
        await dead.stop()
        run_id = await bench.send()
        zone.addresses = {alive.host}
        service.wake()
        await bench.log.until(ended)
    assert bench.log.types()[-1] == "run.finished"
    assert (dead.executed, alive.executed) == ([], [run_id])
    assert bench.log.types().count("run.started") == 1


async def test_a_run_that_no_pod_takes_is_stopped_at_once(
    bench: Bench, pods: list[Pod]
) -> None:
    dead, _, _ = pods
    zone = Zone(dead.host)
    async with serving(bench, zone, dead.port, limits=PATIENT) as service:
        await until(knows(service, dead))
        await dead.stop()
        run_id = await bench.send()
        service.wake()
        await until(knows(service))
        await stop(bench, service, run_id)
        await bench.log.until(ended)
    assert bench.log.types()[-1] == "run.cancelled"


async def test_a_stop_does_not_wait_for_a_pod_that_is_dead(
    bench: Bench, pods: list[Pod]
) -> None:
    dead, _, _ = pods
    dead.holds_at = 4
    limits = replace(PATIENT, stop_seconds=0.3)
    async with serving(bench, Zone(dead.host), dead.port, limits=limits) as service:
        await until(knows(service, dead))
        run_id = await bench.send()
        service.wake()
        await until(speaks(bench))
        await dead.stop()
        await stop(bench, service, run_id)
        await bench.log.until(ended)
    assert bench.log.types()[-1] == "run.cancelled"
    assert bench.log.events[-2]["data"]["status"] == "cancelled"


@pytest.mark.parametrize("is_alive", [True, False])
async def test_a_new_gateway_finds_a_run_whose_pod_left_meanwhile(
    bench: Bench, pods: list[Pod], *, is_alive: bool
) -> None:
    leaving, staying, _ = pods
    leaving.holds_at = 4
    zone = Zone(leaving.host)
    async with serving(bench, zone, leaving.port) as service:
        await until(knows(service, leaving))
        await bench.send()
        service.wake()
        await until(speaks(bench))
    zone.addresses = {staying.host}
    leaving.finish()
    if not is_alive:
        await leaving.stop()
    async with serving(bench, zone, staying.port, owner="gateway-2"):
        await bench.log.until(ended)
    [terminal] = bench.log.terminals()
    assert terminal["type"] == ("run.finished" if is_alive else "run.failed")
    assert terminal["data"].get("code") == (None if is_alive else "run_lost")
    assert staying.executed == []


async def test_an_address_that_is_another_pods_now_has_no_run_of_the_first(
    bench: Bench, pods: list[Pod]
) -> None:
    first, _, _ = pods
    first.holds_at = 4
    zone = Zone(first.host)
    async with serving(bench, zone, first.port, limits=PATIENT) as service:
        await until(knows(service, first))
        await bench.send()
        service.wake()
        await until(speaks(bench))
        await first.stop()
        heir = Pod(first.host)
        heir.instance_id = "heir"
        await heir.start(first.port)
        await bench.log.until(ended)
        assert bench.log.terminals()[0]["data"]["code"] == "run_lost"
        await until(knows(service, heir))
        run_id = await bench.send()
        service.wake()
        await until(lambda: len(bench.log.terminals()) == 2)
        assert heir.executed == [run_id]
        await heir.stop()


async def test_runs_are_shared_by_all_pods(bench: Bench, pods: list[Pod]) -> None:
    for pod in pods:
        pod.holds_at = 4
    zone = Zone(*(pod.host for pod in pods))
    async with serving(bench, zone, pods[0].port, limits=PATIENT) as service:
        await until(knows(service, *pods))
        runs = [await send_elsewhere(bench) for _ in range(6)]
        service.wake()
        await until(lambda: sum(pod.active_runs for pod in pods) == len(runs))
        assert [len(pod.executed) for pod in pods] == [2, 2, 2]
        for pod in pods:
            pod.finish()
        await until(lambda: len(bench.log.terminals()) == len(runs))
    assert {event["type"] for event in bench.log.terminals()} == {"run.finished"}
