"""Every pod is as the `restricted` level asks, bounded, probed and ended in time."""

import pytest

from tests.manifests.rendering import (
    ALL_APIS,
    DEVELOPMENT,
    EVERYTHING,
    Manifest,
    Values,
    render,
)

_PODS = (
    "vb-api-gateway",
    "vb-api-gateway-backup",
    "vb-api-gateway-restore",
    "vb-chat-test",
    "vb-frontend",
    "vb-operator",
    "vb-orchestrator",
)
_SERVICES = ("api-gateway", "frontend", "operator", "orchestrator")


@pytest.fixture(params=_PODS)
def pod(request: pytest.FixtureRequest) -> Manifest:
    """Each pod in turn."""
    return render(EVERYTHING, apis=ALL_APIS).pod_specs()[request.param]


def test_pods_of_every_kind_are_looked_at() -> None:
    assert sorted(render(EVERYTHING, apis=ALL_APIS).pod_specs()) == list(_PODS)


def test_a_pod_is_restricted(pod: Manifest) -> None:
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] == context["runAsGroup"] == 65532
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod)
    assert all("hostPath" not in volume for volume in pod["volumes"])


def test_only_the_operator_has_a_token_of_the_cluster() -> None:
    rendering = render(EVERYTHING, apis=ALL_APIS)
    having = {
        name
        for name, pod in rendering.pod_specs().items()
        if pod["automountServiceAccountToken"] is not False
    }
    assert having == {"vb-operator"}
    accounts = rendering.of_kind("ServiceAccount").values()
    assert not any(one["automountServiceAccountToken"] for one in accounts)


def test_a_pod_has_no_variables_of_services(pod: Manifest) -> None:
    assert pod["enableServiceLinks"] is False


def test_memory_is_bounded_and_cpu_is_not(pod: Manifest) -> None:
    for container in pod["containers"]:
        resources = container["resources"]
        assert set(resources["requests"]) == {"cpu", "memory"}
        assert set(resources["limits"]) == {"memory"}


@pytest.mark.parametrize("name", _SERVICES)
def test_a_service_has_all_three_probes(name: str) -> None:
    container = render(DEVELOPMENT).container(name)
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)


def test_the_orchestrator_answers_by_grpc() -> None:
    container = render(DEVELOPMENT).container("orchestrator")
    asked = {
        probe: container[f"{probe}Probe"]["grpc"]
        for probe in ("startup", "liveness", "readiness")
    }
    # Not ready is no reason to be killed: it may be warming up, or draining.
    assert asked == {
        "startup": {"port": 50051, "service": "readiness"},
        "liveness": {"port": 50051, "service": "liveness"},
        "readiness": {"port": 50051, "service": "readiness"},
    }


@pytest.mark.parametrize("name", ["frontend", "orchestrator"])
def test_a_pod_lingers_until_nobody_sends_to_it(name: str) -> None:
    values = DEVELOPMENT | {name: {"preStopSeconds": 11}}
    hook = render(values).container(name)["lifecycle"]["preStop"]
    assert hook == {"sleep": {"seconds": 11}}


def test_the_gateway_ends_at_once_and_alone() -> None:
    deployment = render(DEVELOPMENT).one("Deployment", "vb-api-gateway")
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert deployment["spec"]["replicas"] == 1
    spec = deployment["spec"]["template"]["spec"]
    assert "lifecycle" not in spec["containers"][0]
    assert spec["terminationGracePeriodSeconds"] == 30


@pytest.mark.parametrize(("drain", "linger", "grace"), [(150, 6, 171), (20.5, 10, 46)])
def test_the_grace_of_the_orchestrator_covers_its_drain(
    drain: float, linger: int, grace: int
) -> None:
    own = {"settings": {"drainGraceSeconds": drain}, "preStopSeconds": linger}
    spec = render(DEVELOPMENT | {"orchestrator": own}).pod("orchestrator")["spec"]
    assert spec["terminationGracePeriodSeconds"] == grace


@pytest.mark.parametrize("name", ["frontend", "operator", "orchestrator"])
def test_a_new_pod_is_ready_before_an_old_one_goes(name: str) -> None:
    spec = render(DEVELOPMENT).one("Deployment", f"vb-{name}")["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


@pytest.mark.parametrize("name", ["frontend", "operator", "orchestrator"])
def test_pods_are_spread_over_nodes_and_zones(name: str) -> None:
    spread = render(DEVELOPMENT).pod(name)["spec"]["topologySpreadConstraints"]
    assert [one["topologyKey"] for one in spread] == [
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    ]
    assert all(one["matchLabelKeys"] == ["pod-template-hash"] for one in spread)


def test_images_are_named_by_registry_tag_or_digest() -> None:
    digest = f"sha256:{'a' * 64}"
    told = {
        "global": {
            **DEVELOPMENT["global"],
            "imageRegistry": "registry.example.org",
            "imagePullSecrets": ["all"],
        },
        "orchestrator": {"image": {"digest": digest}, "imagePullSecrets": ["own"]},
        "frontend": {"image": {"registry": "other.example.org", "tag": "1.2.3"}},
    }
    rendering = render(told)
    assert {name: rendering.container(name)["image"] for name in _SERVICES} == {
        "api-gateway": "registry.example.org/venturebots/api-gateway:0.1.0",
        "frontend": "other.example.org/venturebots/frontend:1.2.3",
        "operator": "registry.example.org/venturebots/operator:0.1.0",
        "orchestrator": f"registry.example.org/venturebots/orchestrator@{digest}",
    }
    secrets = rendering.pod("orchestrator")["spec"]["imagePullSecrets"]
    assert secrets == [{"name": "all"}, {"name": "own"}]


@pytest.mark.parametrize("name", _SERVICES)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nodeSelector", {"disk": "fast"}),
        ("tolerations", [{"key": "spot", "operator": "Exists"}]),
        ("affinity", {"podAntiAffinity": {}}),
        ("priorityClassName", "high"),
    ],
)
def test_where_pods_go_is_told_to_the_scheduler(
    name: str, field: str, value: object
) -> None:
    assert field not in render(DEVELOPMENT).pod(name)["spec"]
    spec = render(DEVELOPMENT | {name: {field: value}}).pod(name)["spec"]
    assert spec[field] == value


@pytest.mark.parametrize("name", _SERVICES)
def test_annotations_labels_and_the_pull_policy_land_where_they_belong(
    name: str,
) -> None:
    own = {
        "image": {"pullPolicy": "Always"},
        "podAnnotations": {"of": "pods"},
        "podLabels": {"also": "pods"},
        "serviceAnnotations": {"of": "the-service"},
    }
    rendering = render(DEVELOPMENT | {name: own})
    assert rendering.container(name)["imagePullPolicy"] == "Always"
    pod, service = rendering.pod(name), rendering.one("Service", f"vb-{name}")
    assert pod["metadata"]["annotations"]["of"] == "pods"
    assert pod["metadata"]["labels"]["also"] == "pods"
    assert service["metadata"]["annotations"] == {"of": "the-service"}
    others = [
        one["metadata"].get("annotations", {}).get("of")
        for one in rendering.objects
        if (one["kind"], one["metadata"]["name"]) != ("Service", f"vb-{name}")
    ]
    assert set(others) == {None}


def test_a_change_of_settings_or_secrets_rolls_the_pods() -> None:
    calm = _checksums(DEVELOPMENT)
    settings = {"orchestrator": {"settings": {"logLevel": "debug"}}}
    config = _checksums(DEVELOPMENT | settings)
    assert config["checksum/config"] != calm["checksum/config"]
    assert config["checksum/secrets"] == calm["checksum/secrets"]
    for token in ("orchestratorToken", "operatorToken"):
        told = {**DEVELOPMENT["global"], token: {"developmentToken": "development-b"}}
        secret = _checksums({"global": told})
        assert secret["checksum/secrets"] != calm["checksum/secrets"]


def _checksums(values: Values) -> dict[str, str]:
    pod = render(values).pod("orchestrator")
    annotations: dict[str, str] = pod["metadata"]["annotations"]
    return annotations
