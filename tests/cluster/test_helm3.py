"""The whole life of a release by Helm 3."""

import shutil
from dataclasses import replace

import pytest

from tests.cluster.kubernetes import Release
from tests.cluster.test_smoke import answers_through_ingress
from tests.real import missing

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def release(empty_release: Release) -> Release:
    """Have a namespace in which Helm 3 installs."""
    environment = empty_release.kubernetes.environment
    if shutil.which("helm3", path=environment["PATH"]) is None:
        missing("no helm3 on PATH: testbed fetch charts")
    return replace(empty_release, helm="helm3")


def test_helm_3_installs_upgrades_rolls_back_tests_and_uninstalls(
    release: Release,
) -> None:
    warnings = release.install()
    assert "warning" not in warnings.lower()
    answers_through_ingress(release)
    assert "a reply of" in release.test()

    release.install(**{"api-gateway": {"settings": {"queueLimit": 4}}})
    assert _queue_limit(release) == "4"
    release.rollback()
    assert _queue_limit(release) == "3"
    assert "a reply of" in release.test()

    release.uninstall()
    assert release.objects("deployments,services,ingresses") == []
    [claim] = release.objects("persistentvolumeclaims")
    assert claim["status"]["phase"] == "Bound"


def _queue_limit(release: Release) -> str:
    name = release.fullname("api-gateway")
    found = release.kubernetes.object("configmap", name, namespace=release.namespace)
    limit: str = found["data"]["VB_GATEWAY_QUEUE_LIMIT"]
    return limit
