"""A node's daemons stop and start, or all that is on it dies: runs end truly."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from libs.toolchain.paths import ROOT
from tests.cluster.crowd import Crowd, Member
from tests.cluster.kubernetes import Kubernetes, Object, Release, wait_until
from tests.cluster.pods import is_ready
from tests.cluster.speaker import speaker_values, start_speaker
from tests.cluster.test_smoke import answers_through_ingress
from tests.figures import figure
from tests.real import missing

pytestmark = pytest.mark.timeout(900)

_SERVICES = ("api-gateway", "orchestrator", "frontend")
_TESTBED = str(ROOT / "tests" / "cluster" / "testbed" / "testbed")
_NODE = "1"
_OTHER_NODE = "node2"
_NOT_READY_SECONDS = 90.0
_END_SECONDS = 30


@pytest.fixture(scope="module")
def release(shared_empty_release: Release) -> Release:
    """Install once; every pod is on the node that is treated badly."""
    if shared_empty_release.kubernetes.audit_log is None:
        missing("the node's daemons belong to kind")
    if _OTHER_NODE not in _nodes(shared_empty_release.kubernetes):
        missing("a second node, for the model: NODES=2")
    # Were the model on that node, it could die first, and the run of that.
    start_speaker(shared_empty_release, node=_OTHER_NODE)
    shared_empty_release.install(**_on_the_node())
    answers_through_ingress(shared_empty_release)
    return shared_empty_release


def _on_the_node() -> Object:
    values = speaker_values()
    for service in _SERVICES:
        place = {"nodeSelector": {"kubernetes.io/hostname": f"node{_NODE}"}}
        values[service] = {**values.get(service, {}), **place}
    return values


@pytest.fixture
async def member(release: Release) -> AsyncIterator[Member]:
    """Arrive through the ingress."""
    async with Crowd(release.url, size=1) as crowd:
        yield crowd.members[0]


async def test_a_reply_outlives_a_restart_of_the_nodes_daemons(
    release: Release, member: Member
) -> None:
    kubernetes = release.kubernetes
    before = _restarts(release)
    run_id = await member.say()
    await member.deltas()

    await asyncio.to_thread(_node, kubernetes, "stop")
    try:
        assert await member.ended(run_id, limit_seconds=_END_SECONDS) == "run.finished"
        node = f"node{_NODE}"
        await asyncio.to_thread(
            wait_until,
            lambda: not _is_node_ready(kubernetes, node),
            "a node that is not ready",
            limit_seconds=_NOT_READY_SECONDS,
        )
    finally:
        await asyncio.to_thread(_node, kubernetes, "start")

    await asyncio.to_thread(_is_whole, release)
    assert _restarts(release) == before
    assert await member.converse() == "run.finished"
    await member.prove()


async def test_a_run_on_a_node_that_died_ends_after_its_return(
    release: Release, member: Member
) -> None:
    run_id = await member.say()
    await member.deltas()

    await asyncio.to_thread(_node, release.kubernetes, "drop")
    await asyncio.to_thread(_node, release.kubernetes, "start")
    await asyncio.to_thread(_is_whole, release)
    returned = time.monotonic()
    end = await member.ended(run_id, limit_seconds=_END_SECONDS)

    figure(f"node died: {end} {time.monotonic() - returned:.1f} s after its return")
    assert end == "run.failed"
    assert member.state.run_errors[run_id] == "run_lost"
    assert await member.converse() == "run.finished"
    await member.prove()


def _node(kubernetes: Kubernetes, command: str) -> None:
    kubernetes.run(_TESTBED, "node", command, _NODE)


def _nodes(kubernetes: Kubernetes) -> list[str]:
    nodes = kubernetes.objects("nodes", namespace="default")
    return [node["metadata"]["name"] for node in nodes]


def _is_node_ready(kubernetes: Kubernetes, name: str) -> bool:
    node = kubernetes.object("node", name, namespace="default")
    return any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in node["status"]["conditions"]
    )


def _restarts(release: Release) -> dict[str, int]:
    return {
        pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["restartCount"]
        for service in _SERVICES
        for pod in release.pods(service)
    }


def _is_whole(release: Release) -> None:
    def is_so() -> bool:
        pods = [release.pods(service) for service in _SERVICES]
        return _is_node_ready(release.kubernetes, f"node{_NODE}") and all(
            any(is_ready(pod) for pod in found) for found in pods
        )

    took = wait_until(is_so, "a ready pod of each service", limit_seconds=300)
    figure(f"node started: whole after {took:.1f} s")
    answers_through_ingress(release)
