"""No value does nothing, and settings are those of the services."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import pytest

from libs.config import ServiceSettings
from libs.toolchain.chart_values import Value, read_values
from libs.toolchain.charts import CHARTS
from services.api_gateway.config import Config as GatewayConfig
from services.operator.config import Config as OperatorConfig
from services.orchestrator.config import Config as OrchestratorConfig
from tests.manifests.rendering import (
    ALL_APIS,
    CREWS_API,
    EVERYTHING,
    Values,
    installed_helms,
    render,
)

_SERVICES = ("api-gateway", "frontend", "operator", "orchestrator")
_CONFIGS: dict[str, type[ServiceSettings]] = {
    "api-gateway": GatewayConfig,
    "operator": OperatorConfig,
    "orchestrator": OrchestratorConfig,
}
_FROM_FILES: Values = {
    "global": {**EVERYTHING["global"], "operator": {"enabled": False}},
    "modelKeys": {"existingSecret": "keys", "variables": {"OPENAI_API_KEY": "a"}},
}
# What another value must say before this one counts.
_NEEDED: dict[str, Values] = {
    "api-gateway.persistence.accessMode": {"backup": {"enabled": False}},
    "frontend.replicas": {"autoscaling": {"enabled": False}},
    "global.operator.enabled": {"models": {}},
    "operator.clusterScope.enabled": {"watchNamespaces": []},
    "orchestrator.modelKeys.existingSecret": _FROM_FILES,
    "orchestrator.modelKeys.variables": _FROM_FILES,
    "orchestrator.modelVariables": _FROM_FILES,
    "orchestrator.replicas": {"autoscaling": {"enabled": False}},
}
# Another value than the default, where none can be guessed.
_OTHERS: dict[str, object] = {
    "backup.persistence.accessMode": "ReadWriteMany",
    "accessMode": "ReadWriteOncePod",
    "annotations": {"some": "one"},
    "apiServer.networks": ["10.0.0.10/32"],
    "apiServer.ports": [9443],
    "credentials": [{"secret": "a", "key": "b", "allowedHosts": ["c.example.org"]}],
    "crews.rollout": {"autoRollback": False},
    "models": {"other": {"provider": "Simulated", "model": "coach"}},
    "watchNamespaces": ["other"],
    "kind": "Issuer",
    "collectors": [{"podSelector": {}}],
    "developmentToken": "development-other",
    "digest": f"sha256:{'0' * 64}",
    "dnsServers": [{"podSelector": {}}],
    "endpoint": "http://other:1",
    "exceptNetworks": ["203.0.113.0/24"],
    "externalUrl": "https://other.example.org",
    "allowedOrigins": ["https://other.example.org"],
    "ingressControllers": [{"podSelector": {}}],
    "interval": "7s",
    "logFormat": "json",
    "logLevel": "debug",
    "metricsClients": [{"podSelector": {"matchLabels": {"a": "b"}}}],
    "modelVariables": {"OPENAI_MODEL": "other"},
    "parentRefs": [{"name": "other"}],
    "privateModels": [{"network": "10.0.0.9/32", "port": 9}],
    "pullPolicy": "Always",
    "resources": {"requests": {"cpu": "1m"}, "limits": {"memory": "1Mi"}},
    "restoreFrom": "some.db",
    "schedule": "@weekly",
    "size": "7Gi",
    "stateSizeLimit": "7Mi",
    "timeZone": "Europe/Berlin",
    "tmpSizeLimit": "7Mi",
    "topologySpread": [],
    "trustedProxies": ["10.1.0.0/16"],
    "variables": {"OTHER_KEY": "b"},
    "whenBusy": "refuse",
}
_FIXED = {
    # One gateway is all there can be while the database is SQLite.
    "api-gateway.replicas",
    # Beside the other it is refused; see test_refusals.
    "global.operatorToken.existingSecret",
    "global.orchestratorToken.existingSecret",
    # The cluster of these tests knows crews; see test_crews.
    "crews.assumeDefined",
    # The Gateway of EVERYTHING has TLS, which the other port is for.
    "gatewayApi.gateway.httpPort",
}


def _leaves(chart: str) -> list[Value]:
    values = read_values(CHARTS / chart / "values.yaml")
    return [leaf for value in values for leaf in value.leaves()]


def _cases() -> Iterator[tuple[str, Value]]:
    for leaf in _leaves("venturebots"):
        if leaf.path[0] not in _SERVICES:
            yield "", leaf
    for service in _SERVICES:
        for leaf in _leaves(service):
            if leaf.path[0] != "global":
                yield service, leaf


def _name(case: tuple[str, Value]) -> str:
    return ".".join([*filter(None, case[:1]), *case[1].path])


_CASES = {_name(case): case for case in _cases()}


def _other(leaf: Value, current: object) -> object:
    """Another value than the current one, as far as the schema lets."""
    for name in (".".join(leaf.path), leaf.name):
        if name in _OTHERS:
            return _OTHERS[name]
    match current:
        case bool():
            return not current
        case int() | float():
            return current + 1
        case str():
            return f"{current}-x".lstrip("-")
        case [] if leaf.schema == "objects":
            return [{"name": "some", "key": "some", "mountPath": "/some"}]
        case []:
            return ["some"]
        case _:
            return {"some": "one"}


def _get(values: Values, path: Sequence[str], default: object) -> object:
    found: Any = values
    for name in path:
        if name not in found:
            return default
        found = found[name]
    return found


def _put(values: Values, path: Sequence[str], value: object) -> Values:
    first, *rest = path
    below = _put(values.get(first, {}), rest, value) if rest else value
    return {**values, first: below}


@cache
def _text(chart: str, values: str) -> str:
    """Render as text: parsing would take longer than Helm does."""
    helm = next(iter(installed_helms().values()))
    done = subprocess.run(
        [
            *(helm, "template", "vb", CHARTS / chart, "--namespace", "coach"),
            *("--kube-version=1.36.0", "--values=-"),
            *(f"--api-versions={api}" for api in (*ALL_APIS, CREWS_API)),
        ],
        input=values,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", sorted(set(_CASES) - _FIXED))
def test_a_value_changes_what_is_rendered(name: str) -> None:
    service, leaf = _CASES[name]
    values = EVERYTHING
    if service:
        values = {"global": values["global"], **values[service]}
    values = values | _NEEDED.get(name, {})
    current = _get(values, leaf.path, leaf.default)
    changed = _put(values, leaf.path, _other(leaf, current))

    assert changed != values
    chart = service or "venturebots"
    assert _text(chart, json.dumps(changed)) != _text(chart, json.dumps(values))


def test_the_values_that_are_not_changed_are_there() -> None:
    assert set(_CASES) >= _FIXED
    assert set(_CASES) >= set(_NEEDED)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _plain(value: Any) -> Any:
    """A setting's default as values.yaml writes it."""
    match value:
        case None:
            return ""
        case dict():
            return {_camel(name): _plain(held) for name, held in value.items()}
        case _:
            return value


@pytest.mark.parametrize("service", sorted(_CONFIGS))
def test_settings_begin_at_the_defaults_of_the_service(service: str) -> None:
    defaults = _plain(_CONFIGS[service].model_construct().model_dump(mode="json"))
    values = {
        value.name: value for value in read_values(CHARTS / service / "values.yaml")
    }
    told = values["settings"].default
    assert {name: (held, defaults[name]) for name, held in told.items()} == {
        name: (defaults[name], defaults[name]) for name in told
    }


@pytest.mark.parametrize("service", sorted(_CONFIGS))
def test_a_service_takes_what_its_chart_tells_it(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendering = render(EVERYTHING, apis=ALL_APIS)
    told: dict[str, str] = dict(rendering.one("ConfigMap", f"vb-{service}")["data"])
    for variable in rendering.container(service).get("env", []):
        told[variable["name"]] = variable.get("value", "a key")
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    if service != "api-gateway":
        name = f"VB_{service.upper()}_HOST"
        monkeypatch.setenv(name, "0.0.0.0")  # noqa: S104 - as in the image
    config = _CONFIGS[service]()
    assert config.model_dump()["log_level"] == "info"


@pytest.mark.parametrize("service", _SERVICES)
def test_what_is_shared_is_the_same_in_every_chart(service: str) -> None:
    shared = {leaf.path: leaf.default for leaf in _leaves("venturebots")}
    for leaf in _leaves(service):
        if leaf.path[0] == "global":
            assert leaf.default == shared[leaf.path]
