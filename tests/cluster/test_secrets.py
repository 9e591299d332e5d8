"""Secrets that a release only names: their change replaces who reads them."""

import base64

import pytest

from tests.cluster.kubernetes import Object, Release
from tests.cluster.pods import is_ready
from tests.cluster.test_smoke import answers_through_ingress

pytestmark = pytest.mark.timeout(900)

_SERVICES = ("api-gateway", "orchestrator", "frontend")
_TOKEN, _KEYS = "shared-token", "model-keys"


def _values() -> Object:
    keys = {"existingSecret": _KEYS, "variables": {"OPENAI_API_KEY": "openai"}}
    token = {"existingSecret": _TOKEN, "developmentToken": ""}
    return {
        # With an operator keys are of global.credentials, and no pod goes for them.
        "global": {"orchestratorToken": token, "operator": {"enabled": False}},
        "orchestrator": {"modelKeys": keys},
    }


def _secret(release: Release, name: str, key: str, value: str) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "data": {key: base64.b64encode(value.encode()).decode()},
    }
    release.kubernetes.apply(secret, namespace=release.namespace)


def _pods(release: Release) -> dict[str, set[str]]:
    """Tell which pods there are of each service, once all are of one version."""
    for service in _SERVICES:
        release.rolled_out(service)
    return {
        service: {
            pod["metadata"]["uid"] for pod in release.pods(service) if is_ready(pod)
        }
        for service in _SERVICES
    }


def test_a_changed_secret_replaces_the_pods_that_read_it(
    empty_release: Release,
) -> None:
    release = empty_release
    _secret(release, _TOKEN, "token", "a" * 32)
    _secret(release, _KEYS, "openai", "sk-first")
    release.install(**_values())
    answers_through_ingress(release)
    first = _pods(release)

    release.install(**_values())
    unchanged = _pods(release)

    _secret(release, _KEYS, "openai", "sk-second")
    release.install(**_values())
    other_key = _pods(release)

    _secret(release, _TOKEN, "token", "b" * 32)
    release.install(**_values())
    other_token = _pods(release)

    assert unchanged == first
    assert _replaced(unchanged, other_key) == ["orchestrator"]
    assert _replaced(other_key, other_token) == ["api-gateway", "orchestrator"]
    assert "a reply of" in release.test()


def _replaced(before: dict[str, set[str]], after: dict[str, set[str]]) -> list[str]:
    """Tell which services have other pods now."""
    return [each for each in _SERVICES if after[each] != before[each]]
