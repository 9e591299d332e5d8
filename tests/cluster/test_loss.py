"""Pods die or leave in mid-reply: no word is lost or said twice."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from enum import Enum

import pytest

from tests.cluster.crowd import Crowd, Member
from tests.cluster.kubernetes import Release, wait_until
from tests.cluster.pods import is_ready, kill
from tests.cluster.speaker import speaker_values, start_speaker
from tests.cluster.test_smoke import answers_through_ingress
from tests.figures import figure

pytestmark = pytest.mark.timeout(600)

_SERVICES = ("api-gateway", "orchestrator", "frontend")
_END_SECONDS = 30
_MARK = "tests.venturebots.dev/namespace"


class Victim(Enum):
    """Whose pods it hits."""

    GATEWAY = ("api-gateway",)
    ORCHESTRATOR = ("orchestrator",)
    FRONTEND = ("frontend",)
    GATEWAY_AND_ORCHESTRATOR = ("api-gateway", "orchestrator")


@pytest.fixture(scope="module")
def release(shared_empty_release: Release) -> Release:
    """Install once; a test leaves all pods ready."""
    start_speaker(shared_empty_release)
    labels = {_MARK: shared_empty_release.namespace}
    values = speaker_values()
    values["global"] = {"extraLabels": labels}
    shared_empty_release.install(**values)
    answers_through_ingress(shared_empty_release)
    return shared_empty_release


@pytest.fixture
async def member(release: Release) -> AsyncIterator[Member]:
    """Arrive when the release is whole."""
    await asyncio.to_thread(_is_whole, release)
    async with Crowd(release.url, size=1) as crowd:
        yield crowd.members[0]


@pytest.mark.parametrize("victim", Victim)
async def test_a_killed_process_is_started_again(
    release: Release, member: Member, victim: Victim
) -> None:
    before = _restarts(release)

    end = await _interrupt(
        *(release, member, f"killed {_named(victim)}"),
        lambda: _kill(release, victim),
    )

    is_lost = "orchestrator" in victim.value
    assert end == ("run.failed" if is_lost else "run.finished")
    await _goes_on(release, member)
    after = _restarts(release)
    assert {name for name in _SERVICES if after[name] > before[name]} == {*victim.value}


@pytest.mark.parametrize("victim", Victim)
async def test_a_deleted_pod_ends_its_runs_and_is_replaced(
    release: Release, member: Member, victim: Victim
) -> None:
    before = _names(release)

    end = await _interrupt(
        *(release, member, f"deleted {_named(victim)}"),
        lambda: _delete(release, victim),
    )

    assert end == "run.finished"
    await _goes_on(release, member)
    after = _names(release)
    replaced = {name for name in _SERVICES if before[name] != after[name]}
    assert replaced == {*victim.value}


@pytest.mark.parametrize("victim", [Victim.GATEWAY, Victim.ORCHESTRATOR])
async def test_a_pod_deleted_without_grace_is_replaced(
    release: Release, member: Member, victim: Victim
) -> None:
    at_once = ("--grace-period=0", "--force")

    end = await _interrupt(
        *(release, member, f"deleted {_named(victim)} without grace"),
        lambda: _delete(release, victim, *at_once),
    )

    is_lost = victim is Victim.ORCHESTRATOR
    assert end == ("run.failed" if is_lost else "run.finished")
    await _goes_on(release, member)


async def test_a_drain_of_the_node_lets_runs_end(
    release: Release, member: Member
) -> None:
    before = _names(release)

    end = await _interrupt(release, member, "drained", lambda: _drain(release))

    assert end == "run.finished"
    await _goes_on(release, member)
    assert all(before[name] != _names(release)[name] for name in _SERVICES)


async def _interrupt(
    release: Release, member: Member, what: str, action: Callable[[], None]
) -> str:
    """Do something in mid-reply; the run must end soon after a gateway is there."""
    run_id = await member.say()
    await member.deltas()
    began = time.monotonic()
    watching = asyncio.create_task(_timed_end(member, run_id))
    await asyncio.to_thread(action)
    await asyncio.to_thread(_has_gateway, release)
    async with asyncio.timeout(_END_SECONDS):
        end, ended = await watching
    figure(f"{what}: {end} after {ended - began:.1f} s")
    if end == "run.failed":
        assert member.state.run_errors[run_id] == "run_lost"
    return end


def _named(victim: Victim) -> str:
    return " and ".join(victim.value)


async def _timed_end(member: Member, run_id: str) -> tuple[str, float]:
    return await member.ended(run_id), time.monotonic()


async def _goes_on(release: Release, member: Member) -> None:
    """Prove that all is well again, and that nothing was lost on the way."""
    await asyncio.to_thread(_is_whole, release)
    assert await member.converse() == "run.finished"
    await member.prove()


def _has_gateway(release: Release) -> None:
    wait_until(
        lambda: any(is_ready(pod) for pod in release.pods("api-gateway")),
        "a ready gateway",
    )


def _is_whole(release: Release) -> None:
    def is_so() -> bool:
        pods = [release.pods(service) for service in _SERVICES]
        return all(len(found) == 1 and is_ready(found[0]) for found in pods)

    wait_until(is_so, "one ready pod of each service", limit_seconds=240)
    answers_through_ingress(release)


def _kill(release: Release, victim: Victim) -> None:
    for service in victim.value:
        kill(release, service)


def _delete(release: Release, victim: Victim, *words: str) -> None:
    for service in victim.value:
        [pod] = [pod for pod in release.pods(service) if is_ready(pod)]
        name = pod["metadata"]["name"]
        release.kubectl("delete", "pod", name, "--wait=false", *words)


def _drain(release: Release) -> None:
    """Drain the nodes of this release's pods alone.

    Pods are let in again once all are on their way, as by another node: there may
    be none.
    """
    old = {
        pod["metadata"]["uid"]: pod for each in _SERVICES for pod in release.pods(each)
    }
    nodes = sorted({pod["spec"]["nodeName"] for pod in old.values()})
    mark = f"{_MARK}={release.namespace}"
    words = ("drain", *nodes, "--pod-selector", mark, "--delete-emptydir-data")
    draining = threading.Thread(target=release.kubernetes.kubectl, args=words)
    draining.start()

    def are_evicted() -> bool:
        pods = (pod["metadata"] for each in _SERVICES for pod in release.pods(each))
        return not {pod["uid"] for pod in pods if "deletionTimestamp" not in pod} & {
            *old
        }

    try:
        wait_until(are_evicted, "evictions of all pods")
    finally:
        release.kubernetes.kubectl("uncordon", *nodes)
        draining.join()


def _names(release: Release) -> dict[str, str]:
    return {
        service: pod["metadata"]["name"]
        for service in _SERVICES
        for pod in release.pods(service)
        if is_ready(pod)
    }


def _restarts(release: Release) -> dict[str, int]:
    return {
        service: pod["status"]["containerStatuses"][0]["restartCount"]
        for service in _SERVICES
        for pod in release.pods(service)
    }
