"""What the operator is told, and what it may do: no more than it does."""

import re
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from services.operator.config import Config
from services.operator.metrics import Metrics
from services.orchestrator.config import Config as OrchestratorConfig
from tests.manifests.rendering import (
    ALL_APIS,
    DEVELOPMENT,
    EVERYTHING,
    FROM_FILES,
    Manifest,
    Rendering,
    Values,
    render,
)
from tests.operator.api_server import ApiServer
from tests.operator.rights import grant

type _Rule = tuple[str, str, str, frozenset[str]]
"""A group, a resource, the names it is kept to by commas, and the verbs."""

_GROUP = "crew.venturebots.dev"
_DOCUMENTS = ("agents", "crews", "guardrailpolicies", "modelproviders", "tools")
_CREWS: set[_Rule] = {
    *((_GROUP, name, "", frozenset({"get", "list", "watch"})) for name in _DOCUMENTS),
    *((_GROUP, f"{name}/status", "", frozenset({"patch"})) for name in _DOCUMENTS),
    (_GROUP, "crews", "", frozenset({"patch"})),
    (_GROUP, "crewrevisions", "", frozenset({"get", "list", "watch"})),
    (_GROUP, "crewrevisions", "", frozenset({"create", "delete"})),
    ("events.k8s.io", "events", "", frozenset({"create", "patch"})),
}
_HOME: set[_Rule] = {
    ("coordination.k8s.io", "leases", "vb-operator", frozenset({"get", "update"})),
    ("coordination.k8s.io", "leases", "", frozenset({"create"})),
    ("", "configmaps", "vb-crew-bootstrap", frozenset({"get", "patch"})),
    ("", "configmaps", "", frozenset({"create"})),
    ("discovery.k8s.io", "endpointslices", "", frozenset({"get", "list", "watch"})),
}
_CREDENTIALS = [
    {"secret": "models", "key": "openai", "allowedHosts": ["api.openai.com"]},
    {"secret": "models", "key": "other", "allowedHosts": ["a.example.org", "b.org"]},
    {"secret": "more", "key": "openai", "allowedHosts": ["api.openai.com"]},
]


def _with_global(**values: Any) -> Values:
    return {"global": {**DEVELOPMENT["global"], **values}}


def _operator(**values: Any) -> Values:
    return DEVELOPMENT | {"operator": values}


def _granted(role: Manifest) -> set[_Rule]:
    return {
        (group, resource, ",".join(rule.get("resourceNames", ())), frozenset(verbs))
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verbs in [rule["verbs"]]
    }


def _grants(rendering: Rendering) -> dict[tuple[str, str | None], set[_Rule]]:
    """Return what each bound role grants, by its kind and namespace."""
    roles = {
        (one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]): one
        for one in rendering.objects
        if one["kind"] in {"Role", "ClusterRole"}
    }
    found = {}
    for binding in rendering.objects:
        if binding["kind"] not in {"RoleBinding", "ClusterRoleBinding"}:
            continue
        (subject,) = binding["subjects"]
        assert subject == {
            "kind": "ServiceAccount",
            "name": "vb-operator",
            "namespace": "coach",
        }
        kind, name = binding["roleRef"]["kind"], binding["roleRef"]["name"]
        assert binding["kind"] == f"{kind}Binding"
        namespace = binding["metadata"].get("namespace")
        found[kind, namespace] = _granted(roles[kind, namespace, name])
    return found


def test_its_rights_are_these_in_its_own_namespace() -> None:
    assert _grants(render(DEVELOPMENT)) == {("Role", None): _CREWS | _HOME}


def test_of_secrets_it_may_read_those_that_are_declared() -> None:
    (granted,) = _grants(render(_with_global(credentials=_CREDENTIALS))).values()
    named = ("", "secrets", "models,more", frozenset({"get"}))
    assert granted - _CREWS - _HOME == {named}


def test_what_it_was_tested_with_is_what_it_is_granted() -> None:
    applied: list[Manifest] = []
    grant(cast("ApiServer", SimpleNamespace(apply=applied.append)), "coach", "some")
    (role,) = (one for one in applied if one["kind"] == "Role")
    names = {"operator": "vb-operator", "bootstrap": "vb-crew-bootstrap"}
    tested = {
        (group, resource, names.get(kept_to, kept_to), verbs)
        for group, resource, kept_to, verbs in _granted(role)
    }
    named = ("", "secrets", "models", frozenset({"get"}))
    assert tested == _CREWS | _HOME | {named}


def test_in_other_namespaces_it_has_to_do_with_crews_alone() -> None:
    rendering = render(_operator(watchNamespaces=["elsewhere", "coach", "more"]))
    assert _grants(rendering) == {
        ("Role", None): _CREWS | _HOME,
        ("Role", "elsewhere"): _CREWS,
        ("Role", "more"): _CREWS,
    }
    told = rendering.one("ConfigMap", "vb-operator")["data"]
    assert told["VB_OPERATOR_WATCH_NAMESPACES"] == "elsewhere,coach,more"


def test_a_whole_cluster_is_asked_for() -> None:
    rendering = render(_operator(clusterScope={"enabled": True}))
    assert _grants(rendering) == {
        ("Role", None): _HOME,
        ("ClusterRole", None): _CREWS,
    }
    told = rendering.one("ConfigMap", "vb-operator")["data"]
    assert told["VB_OPERATOR_WATCH_NAMESPACES"] == "*"
    assert list(rendering.of_kind("ClusterRole")) == ["coach-vb-operator"]


def test_nothing_concerns_the_whole_cluster_unless_asked_for() -> None:
    kinds = {one["kind"] for one in render(DEVELOPMENT).objects}
    assert not [kind for kind in kinds if kind.startswith("Cluster")]


def test_those_who_view_or_edit_a_namespace_can_be_let_do_so_with_crews() -> None:
    roles = render(_operator(aggregatedRoles={"enabled": True})).of_kind("ClusterRole")
    view, edit = roles["coach-vb-operator-view"], roles["coach-vb-operator-edit"]
    to = "rbac.authorization.k8s.io/aggregate-to-"
    aggregated = {
        name: {key.removeprefix(to) for key in role["metadata"]["labels"] if to in key}
        for name, role in (("view", view), ("edit", edit))
    }
    assert aggregated == {"view": {"view", "edit", "admin"}, "edit": {"edit", "admin"}}
    reading = frozenset({"get", "list", "watch"})
    everything = (*_DOCUMENTS, "crewrevisions")
    assert _granted(view) == {(_GROUP, name, "", reading) for name in everything}
    writing = frozenset({"create", "update", "patch", "delete", "deletecollection"})
    # Revisions are nobody's but the operator's.
    assert _granted(edit) == {(_GROUP, name, "", writing) for name in _DOCUMENTS}


def test_two_replicas_one_of_which_leads() -> None:
    rendering = render(DEVELOPMENT)
    deployment = rendering.one("Deployment", "vb-operator")["spec"]
    assert deployment["replicas"] == 2
    pod = deployment["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 30
    assert pod["automountServiceAccountToken"] is True
    (container,) = pod["containers"]
    assert container["resources"] == {
        "requests": {"cpu": "100m", "memory": "128Mi"},
        "limits": {"memory": "256Mi"},
    }
    asked = {
        probe: container[f"{probe}Probe"]["httpGet"]
        for probe in ("startup", "liveness", "readiness")
    }
    assert asked == {
        "startup": {"path": "/livez", "port": "metrics"},
        "liveness": {"path": "/livez", "port": "metrics"},
        "readiness": {"path": "/readyz", "port": "metrics"},
    }


def test_orchestrators_find_every_replica() -> None:
    service = render(DEVELOPMENT).one("Service", "vb-operator")["spec"]
    assert service["clusterIP"] == "None"
    ports = {port["name"]: port["port"] for port in service["ports"]}
    assert ports == {"grpc": 50052, "metrics": 9092}


def test_it_is_told_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    rendering = render(_with_global(credentials=_CREDENTIALS))
    config = _read(Config, rendering, "operator", monkeypatch)
    assert config.namespaces == ("coach",)
    assert config.lease_name == "vb-operator"
    assert config.fleet_service == "vb-orchestrator"
    assert config.fleet_service in rendering.of_kind("Service")
    assert config.bootstrap_config_map == "vb-crew-bootstrap"
    assert len(config.credentials) == 3


def test_both_ends_have_the_same_keys_and_hosts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rendering = render(_with_global(credentials=_CREDENTIALS))
    operator = _read(Config, rendering, "operator", monkeypatch)
    orchestrator = _read(OrchestratorConfig, rendering, "orchestrator", monkeypatch)
    assert operator.credentials == orchestrator.credentials
    assert [
        (one.secret, one.key, list(one.allowed_hosts)) for one in operator.credentials
    ] == [tuple(one.values()) for one in _CREDENTIALS]


def _read[C: Config | OrchestratorConfig](
    read: type[C],
    rendering: Rendering,
    service: str,
    monkeypatch: pytest.MonkeyPatch,
) -> C:
    told = dict(rendering.one("ConfigMap", f"vb-{service}")["data"])
    for variable in rendering.container(service).get("env", []):
        told[variable["name"]] = variable.get("value", "some")
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    return read()


def test_keys_are_files_of_the_orchestrator_alone_and_hold_nobody_up() -> None:
    rendering = render(_with_global(credentials=_CREDENTIALS))
    volume = _volumes(rendering, "orchestrator")["credentials"]["projected"]
    assert [one["secret"] for one in volume["sources"]] == [
        {
            "name": one["secret"],
            "optional": True,
            "items": [{"key": one["key"], "path": f"{one['secret']}/{one['key']}"}],
        }
        for one in _CREDENTIALS
    ]
    assert {
        "name": "credentials",
        "mountPath": str(OrchestratorConfig().credentials_directory),
        "readOnly": True,
    } in rendering.container("orchestrator")["volumeMounts"]
    others = set(rendering.pod_specs()) - {"vb-orchestrator"}
    for name in others:
        assert "models" not in str(rendering.pod_specs()[name]["volumes"])
    assert "credentials" not in _volumes(render(DEVELOPMENT), "orchestrator")


def test_orchestrators_ask_the_operator_and_keep_what_it_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rendering = render(DEVELOPMENT)
    config = _read(OrchestratorConfig, rendering, "orchestrator", monkeypatch)
    assert config.crew_source_address == "vb-operator.coach.svc:50052"
    mounts = {
        mount["mountPath"]: mount
        for mount in rendering.container("orchestrator")["volumeMounts"]
    }
    assert config.bootstrap_file is not None
    bootstrap = mounts[str(config.bootstrap_file.parent)]
    assert (bootstrap["name"], bootstrap["readOnly"]) == ("bootstrap", True)
    state = mounts[str(config.state_directory)]
    assert (state["name"], "readOnly" in state) == ("state", False)
    assert str(config.crew_token_file) == "/run/secrets/operator-token/token"
    volumes = _volumes(rendering, "orchestrator")
    told = {"name": "vb-crew-bootstrap", "optional": True}
    assert volumes["bootstrap"]["configMap"] == told
    assert volumes["state"]["emptyDir"] == {"sizeLimit": "64Mi"}
    env = {one["name"]: one for one in rendering.container("orchestrator")["env"]}
    node = {"fieldRef": {"fieldPath": "metadata.name"}}
    assert env["VB_ORCHESTRATOR_NODE"]["valueFrom"] == node


def test_without_the_operator_orchestrators_read_their_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rendering = render(FROM_FILES)
    config = _read(OrchestratorConfig, rendering, "orchestrator", monkeypatch)
    assert config.crew_source_address == ""
    assert config.bootstrap_file is None
    volumes = set(_volumes(rendering, "orchestrator"))
    assert volumes == {"tmp", "orchestrator-token"}


@pytest.mark.parametrize(
    ("token", "secret", "key"),
    [
        ({"existingSecret": "ours", "key": "crews"}, "ours", "crews"),
        ({"developmentToken": "development-x"}, "vb-operator-token", "token"),
    ],
)
def test_both_ends_of_the_stream_read_the_token_from_one_secret(
    token: Values, secret: str, key: str
) -> None:
    rendering = render(_with_global(operatorToken=token))
    for name in ("operator", "orchestrator"):
        held = _volumes(rendering, name)["operator-token"]["secret"]
        assert held["secretName"] == secret
        assert held["items"] == [{"key": key, "path": "token"}]
    config = rendering.one("ConfigMap", "vb-operator")["data"]
    path = "/run/secrets/operator-token/token"
    assert config["VB_OPERATOR_TOKEN_FILE"] == path
    is_made = "vb-operator-token" in rendering.of_kind("Secret")
    assert is_made == ("developmentToken" in token)


def test_alerts_are_made_where_their_api_is() -> None:
    assert not render(EVERYTHING).of_kind("PrometheusRule")
    assert not render(DEVELOPMENT, apis=ALL_APIS).of_kind("PrometheusRule")
    own = {"enabled": True, "labels": {"a": "b"}, "alertLabels": {"team": "coach"}}
    rendering = render(_operator(prometheusRule=own), apis=ALL_APIS)
    rule = rendering.one("PrometheusRule", "vb-operator")
    assert rule["metadata"]["labels"]["a"] == "b"
    (group,) = rule["spec"]["groups"]
    assert len(group["rules"]) == 6
    for alert in group["rules"]:
        assert alert["labels"]["team"] == "coach"
        assert alert["labels"]["severity"] in {"warning", "critical"}
        assert alert["annotations"]["summary"]


def test_alerts_are_about_what_the_operator_measures() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    measured = {
        name
        for metric in registry.collect()
        for name in (metric.name, f"{metric.name}_total")
    }
    rendering = render(EVERYTHING, apis=ALL_APIS)
    (group,) = rendering.one("PrometheusRule", "vb-operator")["spec"]["groups"]
    for alert in group["rules"]:
        (name,) = re.findall(r"venturebots_\w+", alert["expr"])
        assert name in measured
        assert 'namespace="coach",service="vb-operator"' in alert["expr"]


def _volumes(rendering: Rendering, name: str) -> dict[str, Manifest]:
    return {one["name"]: one for one in rendering.pod(name)["spec"]["volumes"]}
