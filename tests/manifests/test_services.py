"""What a service is told, what it keeps and how many of it there are."""

import pytest

from tests.manifests.rendering import (
    ALL_APIS,
    DEVELOPMENT,
    EVERYTHING,
    FROM_FILES,
    Values,
    render,
)

_TOKEN_PATH = "/run/secrets/orchestrator-token/token"  # noqa: S105 - where it is, not what


def test_a_release_has_these_objects_and_no_other() -> None:
    kinds = [one["kind"] for one in render(DEVELOPMENT).objects]
    assert {kind: kinds.count(kind) for kind in kinds if kind != "NetworkPolicy"} == {
        "Agent": 1,
        "ConfigMap": 5,
        "Crew": 2,
        "Deployment": 4,
        "GuardrailPolicy": 1,
        "ModelProvider": 1,
        "PersistentVolumeClaim": 1,
        "Pod": 1,
        "PodDisruptionBudget": 3,
        "Role": 1,
        "RoleBinding": 1,
        "Secret": 2,
        "Service": 4,
        "ServiceAccount": 4,
        "Tool": 3,
    }


def test_without_the_operator_there_is_nothing_of_it() -> None:
    kinds = [one["kind"] for one in render(FROM_FILES, knows_crews=False).objects]
    assert {kind: kinds.count(kind) for kind in kinds if kind != "NetworkPolicy"} == {
        "ConfigMap": 3,
        "Deployment": 3,
        "PersistentVolumeClaim": 1,
        "Pod": 1,
        "PodDisruptionBudget": 2,
        "Secret": 1,
        "Service": 3,
        "ServiceAccount": 3,
    }


def test_every_object_is_labelled_and_in_no_other_namespace() -> None:
    extra = {"global": {**EVERYTHING["global"], "extraLabels": {"team": "coach"}}}
    for one in render(EVERYTHING | extra, apis=ALL_APIS).objects:
        labels = one["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "venturebots"
        assert labels["app.kubernetes.io/instance"] == "vb"
        assert labels["team"] == "coach"
        # The operator's rights in namespaces that its values name.
        elsewhere = {"elsewhere"} if one["kind"].startswith("Role") else set()
        assert {one["metadata"].get("namespace")} <= {None, *elsewhere}


def test_the_orchestrators_are_found_by_name() -> None:
    rendering = render(DEVELOPMENT)
    service = rendering.one("Service", "vb-orchestrator")["spec"]
    assert service["clusterIP"] == "None"
    assert {port["name"]: port["port"] for port in service["ports"]} == {
        "grpc": 50051,
        "metrics": 9091,
    }
    config = rendering.one("ConfigMap", "vb-api-gateway")["data"]
    address = config["VB_GATEWAY_ORCHESTRATOR_ADDRESSES"]
    assert address == "vb-orchestrator:50051"


@pytest.mark.parametrize(("name", "port"), [("api-gateway", 8000), ("frontend", 8080)])
def test_a_service_selects_its_own_pods_only(name: str, port: int) -> None:
    rendering = render(EVERYTHING, apis=ALL_APIS)
    service = rendering.one("Service", f"vb-{name}")["spec"]
    assert port in [one["port"] for one in service["ports"]]
    selector = service["selector"].items()
    assert selector <= rendering.pod(name)["metadata"]["labels"].items()
    backup = rendering.one("CronJob", "vb-api-gateway-backup")["spec"]["jobTemplate"]
    assert not selector <= backup["spec"]["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("token", "secret", "key"),
    [
        ({"existingSecret": "ours", "key": "grpc"}, "ours", "grpc"),
        ({"developmentToken": "development-x"}, "vb-orchestrator-token", "token"),
    ],
)
def test_both_ends_read_the_token_from_one_secret(
    token: Values, secret: str, key: str
) -> None:
    rendering = render({"global": {**FROM_FILES["global"], "orchestratorToken": token}})
    for name in ("api-gateway", "orchestrator"):
        spec = rendering.pod(name)["spec"]
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        held = volumes["orchestrator-token"]["secret"]
        assert held["secretName"] == secret
        assert held["items"] == [{"key": key, "path": "token"}]
        assert held["defaultMode"] == 0o440
    config = rendering.one("ConfigMap", "vb-api-gateway")["data"]
    assert config["VB_GATEWAY_ORCHESTRATOR_TOKEN_FILE"] == _TOKEN_PATH
    told = rendering.container("orchestrator")["env"]
    assert {"name": "VB_ORCHESTRATOR_TOKEN_FILE", "value": _TOKEN_PATH} in told
    assert sorted(rendering.of_kind("Secret")) == [
        name for name in (secret,) if name.startswith("vb-")
    ]


def test_nothing_is_drawn_by_chance() -> None:
    _rendered = render(EVERYTHING, apis=ALL_APIS)
    again = render(EVERYTHING, apis=ALL_APIS, options=["--debug"])
    assert again == _rendered


def test_keys_of_models_come_from_a_secret() -> None:
    keys = {"existingSecret": "models", "variables": {"OPENAI_API_KEY": "openai"}}
    variables = {"OPENAI_MODEL": "gpt-4.1-mini"}
    own = {"modelKeys": keys, "modelVariables": variables}
    rendering = render(FROM_FILES | {"orchestrator": own})
    told = {one["name"]: one for one in rendering.container("orchestrator")["env"]}
    reference = {"secretKeyRef": {"name": "models", "key": "openai"}}
    assert told["OPENAI_API_KEY"]["valueFrom"] == reference
    config = rendering.one("ConfigMap", "vb-orchestrator")["data"]
    assert config["OPENAI_MODEL"] == "gpt-4.1-mini"


def test_extra_variables_volumes_and_commands_reach_the_pod() -> None:
    own = {
        "command": ["python"],
        "args": ["-m", "other"],
        "readOnlyRootFilesystem": False,
        "extraEnv": [{"name": "A", "value": "b"}],
        "extraVolumes": [{"name": "more", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
    }
    rendering = render(DEVELOPMENT | {"api-gateway": own})
    container = rendering.container("api-gateway")
    assert (container["command"], container["args"]) == (["python"], ["-m", "other"])
    assert container["securityContext"]["readOnlyRootFilesystem"] is False
    assert container["env"][-1] == {"name": "A", "value": "b"}
    assert container["volumeMounts"][-1] == {"name": "more", "mountPath": "/more"}
    volumes = rendering.pod("api-gateway")["spec"]["volumes"]
    assert volumes[-1] == {"name": "more", "emptyDir": {}}


def test_the_database_is_kept_when_the_release_goes() -> None:
    rendering = render(EVERYTHING, apis=ALL_APIS)
    for claim in rendering.of_kind("PersistentVolumeClaim").values():
        annotations = claim["metadata"]["annotations"]
        assert annotations == {"helm.sh/resource-policy": "keep"}
        assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    own = {"persistence": {"keep": False}}
    claims = render(DEVELOPMENT | {"api-gateway": own}).of_kind("PersistentVolumeClaim")
    assert "annotations" not in claims["vb-api-gateway-data"]["metadata"]


def test_a_claim_that_exists_is_used() -> None:
    held = {"existingClaim": "theirs"}
    own = {"persistence": held, "backup": {"enabled": True, "persistence": held}}
    rendering = render(DEVELOPMENT | {"api-gateway": own})
    assert not rendering.of_kind("PersistentVolumeClaim")
    volumes = {
        volume["name"]: volume
        for volume in rendering.pod_specs()["vb-api-gateway-backup"]["volumes"]
    }
    for name in ("database", "backups"):
        assert volumes[name]["persistentVolumeClaim"] == {"claimName": "theirs"}


def test_copies_are_taken_beside_the_gateway_and_restored_without_it() -> None:
    backup = {
        "enabled": True,
        "schedule": "@daily",
        "timeZone": "Europe/Berlin",
        "keep": 5,
        "restoreFrom": "a.db",
    }
    rendering = render(DEVELOPMENT | {"api-gateway": {"backup": backup}})
    jobs = rendering.of_kind("CronJob")
    copying = jobs["vb-api-gateway-backup"]["spec"]
    assert (copying["schedule"], copying["timeZone"]) == ("@daily", "Europe/Berlin")
    assert copying["concurrencyPolicy"] == "Forbid"
    restoring = jobs["vb-api-gateway-restore"]["spec"]
    assert restoring["suspend"] is True
    specs = rendering.pod_specs()
    arguments = {
        name: spec["containers"][0].get("args") for name, spec in specs.items()
    }
    assert arguments["vb-api-gateway-backup"] == [
        *("backup", "--to", "/backups/", "--keep", "5")
    ]
    assert arguments["vb-api-gateway-restore"] == ["restore", "--from", "/backups/a.db"]
    (term,) = specs["vb-api-gateway-backup"]["affinity"]["podAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    wanted = term["labelSelector"]["matchLabels"].items()
    assert wanted <= rendering.pod("api-gateway")["metadata"]["labels"].items()
    assert "affinity" not in specs["vb-api-gateway-restore"]


def test_the_gateway_holds_the_volume_of_copies_without_writing_to_it() -> None:
    # Else a class that waits for a first pod would leave the claim pending.
    for is_on in (True, False):
        own = {"backup": {"enabled": is_on}}
        rendering = render(DEVELOPMENT | {"api-gateway": own})
        mounts = {
            mount["name"]: mount
            for mount in rendering.container("api-gateway")["volumeMounts"]
        }
        assert ("backups" in mounts) == is_on
        assert not is_on or mounts["backups"]["readOnly"]


@pytest.mark.parametrize("name", ["frontend", "orchestrator"])
def test_an_autoscaler_decides_alone(name: str) -> None:
    scaled = {"autoscaling": {"enabled": True, "minReplicas": 3, "maxReplicas": 9}}
    rendering = render(DEVELOPMENT | {name: scaled})
    assert "replicas" not in rendering.one("Deployment", f"vb-{name}")["spec"]
    scaler = rendering.one("HorizontalPodAutoscaler", f"vb-{name}")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 9)
    assert scaler["scaleTargetRef"]["name"] == f"vb-{name}"
    fixed = render(DEVELOPMENT | {name: {"replicas": 4}})
    assert fixed.one("Deployment", f"vb-{name}")["spec"]["replicas"] == 4
    assert not fixed.of_kind("HorizontalPodAutoscaler")


def test_a_drain_takes_one_at_a_time_and_waits_for_none_that_is_broken() -> None:
    budgets = render(DEVELOPMENT).of_kind("PodDisruptionBudget")
    # One gateway alone: a budget could only block the drain.
    assert sorted(budgets) == ["vb-frontend", "vb-operator", "vb-orchestrator"]
    for budget in budgets.values():
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    off = {"podDisruptionBudget": {"enabled": False}}
    services = ("frontend", "operator", "orchestrator")
    rendering = render(DEVELOPMENT | dict.fromkeys(services, off))
    assert not rendering.of_kind("PodDisruptionBudget")


def test_monitors_are_made_where_their_api_is() -> None:
    assert not render(EVERYTHING).of_kind("ServiceMonitor")
    assert not render(DEVELOPMENT, apis=ALL_APIS).of_kind("ServiceMonitor")
    monitors = render(EVERYTHING, apis=ALL_APIS).of_kind("ServiceMonitor")
    assert sorted(monitors) == ["vb-api-gateway", "vb-operator", "vb-orchestrator"]
    assert all(
        one["spec"]["endpoints"][0]["port"] == "metrics" for one in monitors.values()
    )


@pytest.mark.parametrize("name", ["api-gateway", "orchestrator"])
def test_a_monitor_has_the_labels_that_a_prometheus_selects(name: str) -> None:
    own = {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}}
    rendering = render(DEVELOPMENT | {name: own}, apis=ALL_APIS)
    labels = rendering.one("ServiceMonitor", f"vb-{name}")["metadata"]["labels"]
    assert labels["release"] == "prometheus"
    assert labels["app.kubernetes.io/name"] == name
