"""A release is upgraded, rolled back, removed, installed anew under 50 sockets."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import pytest

from tests.cluster.crowd import Crowd
from tests.cluster.kubernetes import Object, Release
from tests.cluster.pods import is_ready, ready_at
from tests.cluster.speaker import speaker_values, start_speaker
from tests.cluster.test_smoke import answers_through_ingress
from tests.figures import figure

pytestmark = pytest.mark.timeout(1800)

_SOCKETS = 50
_MANY_SOCKETS = 200
_AT_ONCE = 4
# Five on a machine that has a core to spare; a third of that is usual.
_RESUMED_SECONDS = 5


def _changed() -> Object:
    values = speaker_values()
    values["api-gateway"]["settings"]["queueLimit"] = 4
    values["orchestrator"]["settings"]["logLevel"] = "debug"
    return values


async def test_what_is_said_survives_all_that_is_done_to_a_release(
    empty_release: Release,
) -> None:
    release = empty_release
    start_speaker(release)
    warnings = await asyncio.to_thread(release.install, **speaker_values())
    assert "warning" not in warnings.lower()
    await asyncio.to_thread(answers_through_ingress, release)

    async with Crowd(release.url, size=_SOCKETS) as crowd:
        async with crowd.talking(at_once=_AT_ONCE):
            await crowd.replies(_AT_ONCE)
            await _interrupt(crowd, release, "upgrade", lambda: _upgrade(release))
            await crowd.replies(_AT_ONCE)
            await _interrupt(crowd, release, "rollback", release.rollback)
            await crowd.replies(_AT_ONCE)
            await _interrupt(crowd, release, "reinstall", lambda: _reinstall(release))
            await crowd.replies(_AT_ONCE)
        ends = await crowd.prove()
    figure(f"{_SOCKETS} sockets under all that: runs {dict(ends)}")

    gateway = f"deployment/{release.fullname('api-gateway')}"
    words = ("python", "-m", "services.api_gateway", "verify")
    assert ": 0 contradictions" in release.kubectl("exec", gateway, "--", *words)
    assert ends["run.finished"] >= 4 * _AT_ONCE
    assert sum(ends.values()) == sum(len(member.seeds) for member in crowd)


async def test_a_rolling_update_of_both_services_loses_nobody(
    empty_release: Release,
) -> None:
    release = empty_release
    start_speaker(release)
    await asyncio.to_thread(release.install, **speaker_values())
    await asyncio.to_thread(answers_through_ingress, release)

    async with Crowd(release.url, size=_MANY_SOCKETS) as crowd:
        async with crowd.talking(at_once=_AT_ONCE):
            await crowd.replies(_AT_ONCE)
            await _interrupt(crowd, release, "both replaced", lambda: _replace(release))
            await crowd.replies(_AT_ONCE)
        ends = await crowd.prove()
    figure(f"{_MANY_SOCKETS} sockets, both services replaced: runs {dict(ends)}")


def _replace(release: Release) -> None:
    services = ("api-gateway", "orchestrator")
    names = [f"deployment/{release.fullname(service)}" for service in services]
    release.kubectl("rollout", "restart", *names)
    for service in services:
        release.rolled_out(service)


def _upgrade(release: Release) -> None:
    warnings = release.install(**_changed())
    assert "warning" not in warnings.lower()
    assert _queue_limit(release) == "4"


def _reinstall(release: Release) -> None:
    assert _queue_limit(release) == "3"
    release.uninstall()
    [claim] = release.objects("persistentvolumeclaims")
    assert claim["status"]["phase"] == "Bound"
    release.install(**speaker_values())


def _queue_limit(release: Release) -> str:
    name = release.fullname("api-gateway")
    found = release.kubernetes.object("configmap", name, namespace=release.namespace)
    limit: str = found["data"]["VB_GATEWAY_QUEUE_LIMIT"]
    return limit


async def _interrupt(
    crowd: Crowd, release: Release, what: str, action: Callable[[], None]
) -> None:
    """Do something to the release; every socket must be back soon after Ready."""
    async with crowd.interrupted() as outages:
        await asyncio.to_thread(action)
    [pod] = [pod for pod in release.pods("api-gateway") if is_ready(pod)]
    ready = datetime.fromisoformat(ready_at(pod)).timestamp()
    back = sorted(outage.ended - ready for outage in outages)
    figure(
        f"{what}: out for {max(outage.seconds for outage in outages):.1f} s at most,"
        f" {len(back)} sockets resumed {back[0]:.1f} to {back[-1]:.1f} s after Ready"
    )
    assert len(outages) == len(crowd)
    assert back[-1] <= _RESUMED_SECONDS
