"""One gateway, however many are asked for; as many orchestrators as one likes."""

import asyncio
import json
from collections import Counter
from datetime import datetime

import pytest

from tests.cluster.crowd import Crowd
from tests.cluster.kubernetes import CHART, Kubernetes, Object, Release, wait_until
from tests.cluster.pods import is_ready, ready_at
from tests.cluster.speaker import speaker_values, start_speaker
from tests.cluster.test_smoke import answers_through_ingress
from tests.figures import figure

pytestmark = pytest.mark.timeout(900)

_FOUNDERS = 8
_AT_ONCE = 4
_DISPATCHED_SECONDS = 5
_FIRST_RUN = """
import sqlite3, sys
connection = sqlite3.connect("file:/data/venturebots.db?mode=ro", uri=True)
[[first]] = connection.execute(
    "SELECT min(started_at) FROM runs WHERE address LIKE ?", sys.argv[1:]
)
print(first)
"""
_PLACES = """
import json, sqlite3
connection = sqlite3.connect("file:/data/venturebots.db?mode=ro", uri=True)
print(json.dumps(connection.execute(
    "SELECT instance_id, count(*) FROM runs WHERE instance_id IS NOT NULL GROUP BY 1"
).fetchall()))
"""


@pytest.fixture(scope="module")
def release(shared_empty_release: Release) -> Release:
    """Install with two orchestrators."""
    start_speaker(shared_empty_release)
    shared_empty_release.install(**_values())
    answers_through_ingress(shared_empty_release)
    return shared_empty_release


def _values() -> Object:
    values = speaker_values()
    values["orchestrator"]["replicas"] = 2
    return values


def test_two_gateways_are_refused_with_what_to_set(kubernetes: Kubernetes) -> None:
    development = str(CHART / "values-dev.yaml")
    two = ("--set", "api-gateway.replicas=2")

    with pytest.raises(AssertionError, match="set replicas to 1"):
        kubernetes.helm("template", "any", str(CHART), "--values", development, *two)


async def test_a_scaled_gateway_does_no_harm(release: Release) -> None:
    gateway = f"deployment/{release.fullname('api-gateway')}"
    [first] = [pod["metadata"]["name"] for pod in release.pods("api-gateway")]
    async with Crowd(release.url, size=2) as crowd:
        connections = [member.socket.connections for member in crowd]
        async with crowd.talking(at_once=2):
            await asyncio.to_thread(release.kubectl, "scale", gateway, "--replicas=2")
            second = await asyncio.to_thread(_refused, release, first)
            await crowd.replies(2)
            await asyncio.to_thread(release.kubectl, "scale", gateway, "--replicas=1")
            await asyncio.to_thread(_is_alone, release, first)
            await crowd.replies(2)
        ends = await crowd.prove()
        assert [member.socket.connections for member in crowd] == connections
    assert set(ends) == {"run.finished"}
    assert "one gateway at a time has a SQLite database" in second


async def test_orchestrators_share_the_load_and_are_replaced_without_a_loss(
    release: Release,
) -> None:
    orchestrator = f"deployment/{release.fullname('orchestrator')}"
    async with Crowd(release.url, size=_FOUNDERS) as crowd:
        async with crowd.talking(at_once=_AT_ONCE):
            await _dispatched(release, processes=2)
            shared = await asyncio.to_thread(_places, release)
            await asyncio.to_thread(release.kubectl, "rollout", "restart", orchestrator)
            await asyncio.to_thread(release.rolled_out, "orchestrator")
            await _dispatched(release, processes=4)
        ends = await crowd.prove()
    loads = [sorted(found.values()) for found in (shared, _places(release))]
    figure(f"runs per orchestrator: {loads[0]}, after a rolling update {loads[1]}")
    assert min(shared.values()) >= 1
    assert set(ends) == {"run.finished"}


async def test_a_new_orchestrator_is_given_a_run_soon_after_it_is_ready(
    release: Release,
) -> None:
    orchestrator = f"deployment/{release.fullname('orchestrator')}"
    await asyncio.to_thread(release.rolled_out, "orchestrator")
    before = {pod["metadata"]["uid"] for pod in release.pods("orchestrator")}
    async with Crowd(release.url, size=_FOUNDERS) as crowd:
        async with crowd.talking(at_once=_FOUNDERS):
            await crowd.replies(_FOUNDERS)
            words = ("scale", orchestrator, "--replicas=3")
            await asyncio.to_thread(release.kubectl, *words)
            await asyncio.to_thread(release.rolled_out, "orchestrator")
            [pod] = [
                pod
                for pod in release.pods("orchestrator")
                if pod["metadata"]["uid"] not in before
            ]
            first = await asyncio.to_thread(_first_run, release, pod)
        ends = await crowd.prove()
    waited = (first - datetime.fromisoformat(ready_at(pod))).total_seconds()
    figure(f"a new orchestrator: its first run {waited:.1f} s after Ready")
    assert waited <= _DISPATCHED_SECONDS
    assert set(ends) == {"run.finished"}


def _first_run(release: Release, pod: Object) -> datetime:
    """Wait for a pod's first run; returns when it began."""
    gateway = f"deployment/{release.fullname('api-gateway')}"
    address = f"{pod['status']['podIP']}:%"
    told: list[str] = []

    def is_so() -> bool:
        words = ("python", "-c", _FIRST_RUN, address)
        told.append(release.kubectl("exec", gateway, "--", *words).strip())
        return told[-1] != "None"

    wait_until(is_so, f"a run at {address}")
    return datetime.fromisoformat(told[-1])


def _places(release: Release) -> Counter[str]:
    """How many runs were dispatched to each process."""
    gateway = f"deployment/{release.fullname('api-gateway')}"
    told = release.kubectl("exec", gateway, "--", "python", "-c", _PLACES)
    return Counter(dict(json.loads(told)))


async def _dispatched(release: Release, *, processes: int) -> None:
    def is_so() -> bool:
        return len(_places(release)) >= processes

    await asyncio.to_thread(wait_until, is_so, f"runs on {processes} processes")


def _refused(release: Release, first: str) -> str:
    """Wait until a second gateway has given up; returns what it said."""
    told: list[str] = []

    def is_so() -> bool:
        for pod in release.pods("api-gateway"):
            name = pod["metadata"]["name"]
            if name == first:
                assert is_ready(pod)
                continue
            assert not is_ready(pod)
            log = release.kubectl("logs", name, is_checked=False)
            if "SQLite" in log:
                told.append(log.strip().splitlines()[-1])
                return True
        return False

    wait_until(is_so, "a second gateway that gives up")
    return told[0]


def _is_alone(release: Release, first: str) -> None:
    def is_so() -> bool:
        return [pod["metadata"]["name"] for pod in release.pods("api-gateway")] == [
            first
        ]

    wait_until(is_so, "the end of the second gateway")
