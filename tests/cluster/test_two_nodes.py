"""Two nodes: replicas on both, one network with its policies, one node drained."""

import asyncio
import time

import pytest

from tests.cluster.crowd import Crowd
from tests.cluster.kubernetes import Kubernetes, Object, Release, wait_until
from tests.cluster.pods import Reach, is_ready, reach, stranger
from tests.cluster.speaker import speaker_values, start_speaker
from tests.cluster.test_smoke import answers_through_ingress
from tests.figures import figure
from tests.real import missing

pytestmark = pytest.mark.timeout(900)

_SPREAD = ("orchestrator", "frontend")
_PORTS = {"api-gateway": 9090, "orchestrator": 50051}
_AT_ONCE = 3
_MARK = "tests.venturebots.dev/namespace"


@pytest.fixture(scope="module")
def nodes(kubernetes: Kubernetes) -> tuple[str, str]:
    """Name two nodes, the gateway's first."""
    found = kubernetes.objects("nodes", namespace="default")
    names = sorted(node["metadata"]["name"] for node in found)
    if len(names) < 2:
        missing("one node: NODES=2 testbed up")
    return names[0], names[1]


@pytest.fixture(scope="module")
def release(shared_empty_release: Release, nodes: tuple[str, str]) -> Release:
    """Install with two orchestrators and pages; the gateway is on the first node."""
    start_speaker(shared_empty_release)
    labels = {"global": {"extraLabels": {_MARK: shared_empty_release.namespace}}}
    shared_empty_release.install(**_values(nodes[0]), **labels)
    answers_through_ingress(shared_empty_release)
    return shared_empty_release


def _values(first: str) -> Object:
    values = speaker_values()
    values["api-gateway"]["nodeSelector"] = {"kubernetes.io/hostname": first}
    values["orchestrator"]["replicas"] = 2
    values["frontend"] = {"replicas": 2}
    return values


def _places(release: Release, service: str) -> list[str]:
    """Tell on which nodes the ready pods of a service are."""
    pods = [pod for pod in release.pods(service) if is_ready(pod)]
    return sorted(pod["spec"]["nodeName"] for pod in pods)


def test_replicas_are_on_both_nodes(release: Release, nodes: tuple[str, str]) -> None:
    assert {service: _places(release, service) for service in _SPREAD} == {
        service: [*nodes] for service in _SPREAD
    }


def test_a_stranger_on_either_node_is_shut_out_of_both(
    release: Release, kubernetes: Kubernetes, nodes: tuple[str, str]
) -> None:
    places = [
        (pod["status"]["podIP"], port)
        for service, port in _PORTS.items()
        for pod in release.pods(service)
        if is_ready(pod)
    ]
    for node in nodes:
        with stranger(
            kubernetes, release.namespace, f"stranger-of-{node}", node=node
        ) as pod:
            told = reach(kubernetes, release.namespace, pod, *places)
            assert told == [Reach.BLOCKED] * len(places)


async def test_a_drained_node_loses_its_pods_and_no_reply(
    release: Release, nodes: tuple[str, str]
) -> None:
    first, second = nodes

    def is_moved() -> bool:
        return all(_places(release, each) == [first] * 2 for each in _SPREAD)

    async with Crowd(release.url, size=_AT_ONCE) as crowd:
        async with crowd.talking(at_once=_AT_ONCE):
            await crowd.replies(_AT_ONCE)
            began = time.monotonic()
            try:
                await asyncio.to_thread(_drain, release, second)
                await asyncio.to_thread(wait_until, is_moved, f"all pods on {first}")
                took = time.monotonic() - began
                await crowd.replies(_AT_ONCE)
            finally:
                await asyncio.to_thread(release.kubernetes.kubectl, "uncordon", second)
        ends = await crowd.prove()
    figure(f"drained {second}: all pods on {first} after {took:.1f} s")
    assert set(ends) == {"run.finished"}


def _drain(release: Release, node: str) -> None:
    """Move this release's pods off a node, as its budgets allow."""
    mark = f"{_MARK}={release.namespace}"
    words = ("--pod-selector", mark, "--delete-emptydir-data", "--timeout=300s")
    release.kubernetes.kubectl("drain", node, *words)
