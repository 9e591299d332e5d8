"""More orchestrators when CPU is short, fewer when it is not."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cluster.kubernetes import Object, Release, wait_until
from tests.cluster.pods import is_ready
from tests.figures import figure
from tests.real import missing

pytestmark = pytest.mark.timeout(900)

_LEAST, _MOST = 1, 3
_LIMIT_SECONDS = 300.0
_BURN = """
import pathlib, time
flame, end = pathlib.Path("/tmp/flame"), time.monotonic() + 240
flame.touch()
while time.monotonic() < end and flame.exists():
    pass
"""
_STOP = "import pathlib; pathlib.Path('/tmp/flame').unlink()"


@pytest.fixture
def release(empty_release: Release) -> Release:
    """Install with an autoscaler that makes up its mind quickly."""
    pods = ("get", "--raw", "/apis/metrics.k8s.io/v1beta1/pods")
    if not empty_release.kubernetes.kubectl(*pods, is_checked=False):
        missing("the cluster has no metrics-server")
    empty_release.install(**_values())
    return empty_release


def _values(**gateway: Object) -> Object:
    autoscaling = {
        "enabled": True,
        "minReplicas": _LEAST,
        "maxReplicas": _MOST,
        "targetCpuPercent": 60,
        "scaleDownAfterSeconds": 5,
    }
    settings = {"drainGraceSeconds": 5}
    orchestrator = {"autoscaling": autoscaling, "settings": settings}
    return {"orchestrator": orchestrator, "api-gateway": gateway}


def test_cpu_brings_orchestrators_and_its_end_takes_them(release: Release) -> None:
    wait_until(
        lambda: _is_measured(release),
        "CPU that is measured",
        limit_seconds=_LIMIT_SECONDS,
    )
    quiet = wait_until(
        lambda: _ready(release) == _LEAST, "one pod", limit_seconds=_LIMIT_SECONDS
    )

    with _burning(release):
        up = wait_until(
            lambda: _ready(release) > _LEAST,
            "more than one ready pod",
            limit_seconds=_LIMIT_SECONDS,
        )
        most = _ready(release)
        # Somebody's upgrade is no reason to have fewer.
        release.install(**_values(settings={"queueLimit": 4}))
        upgraded = _ready(release)
    down = wait_until(
        lambda: _ready(release) == _LEAST,
        "one pod again",
        limit_seconds=_LIMIT_SECONDS,
    )

    figure(
        f"autoscaling: {_LEAST} pod after {quiet:.0f} s, {most} ready {up:.0f} s after"
        f" the load began, {_LEAST} again {down:.0f} s after its end"
    )
    assert upgraded >= most
    assert not _says_how_many(release)


@contextmanager
def _burning(release: Release) -> Iterator[None]:
    """Keep a core of one orchestrator busy."""
    [pod] = [pod for pod in release.pods("orchestrator") if is_ready(pod)]
    within = ("exec", pod["metadata"]["name"], "--", "python", "-c")
    burner = threading.Thread(
        target=release.kubectl, args=(*within, _BURN), kwargs={"is_checked": False}
    )
    burner.start()
    try:
        yield
    finally:
        release.kubectl(*within, _STOP)
        burner.join()


def _autoscaler(release: Release) -> Object:
    name = release.fullname("orchestrator")
    return release.kubernetes.object(
        "horizontalpodautoscaler", name, namespace=release.namespace
    )


def _is_measured(release: Release) -> bool:
    """Whether the autoscaler knows how much CPU is used."""
    metrics = _autoscaler(release)["status"].get("currentMetrics") or []
    return any("resource" in each for each in metrics)


def _ready(release: Release) -> int:
    return sum(is_ready(pod) for pod in release.pods("orchestrator"))


def _says_how_many(release: Release) -> bool:
    """Whether Helm has a say in the number of orchestrators."""
    name = release.fullname("orchestrator")
    words = ("get", "deployment", name, "--show-managed-fields", "--output", "json")
    found = json.loads(release.kubectl(*words))
    return any(
        "f:replicas" in each["fieldsV1"].get("f:spec", {})
        for each in found["metadata"]["managedFields"]
        if each["manager"] == "helm"
    )
