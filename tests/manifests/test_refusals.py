"""Wrong values are refused, and the message names the value."""

import re

import pytest

from tests.manifests.rendering import (
    ALL_APIS,
    DEVELOPMENT,
    EVERYTHING,
    FROM_FILES,
    RefusedError,
    Values,
    installed_helms,
    render,
)

_TOKEN = DEVELOPMENT["global"]["orchestratorToken"]
_CREDENTIAL = EVERYTHING["global"]["credentials"][0]


def _global(**values: object) -> Values:
    return {"global": {**DEVELOPMENT["global"], **values}}


def _deep(path: str, value: object) -> Values:
    """Put a value at a dotted path, beside the least that has to be said."""
    first, *rest = path.split(".")
    for name in reversed(rest):
        value = {name: value}
    if first == "global" and isinstance(value, dict):
        value = {**DEVELOPMENT["global"], **value}
    return DEVELOPMENT | {first: value}


_BY_SCHEMA: tuple[tuple[str, object, str], ...] = (
    # What is not there, or misspelt.
    ("orchestrators", {}, "'orchestrators' not allowed"),
    ("global.externalURL", "https://a.example.org", "'externalURL' not allowed"),
    ("orchestrator.replica", 3, "'replica' not allowed"),
    ("api-gateway.autoscaling", {"enabled": True}, "'autoscaling' not allowed"),
    ("ingress.host", "coach.example.org", "'host' not allowed"),
    ("api-gateway.settings.limits.messagesPerHour", 5, "'messagesPerHour' not allowed"),
    # What the chart decides.
    ("api-gateway.settings.databasePath", "/tmp/a.db", "'databasePath' not allowed"),  # noqa: S108 - a value that is refused
    ("orchestrator.settings.modelNetworks", ["10.0.0.0/8"], "'modelNetworks'"),
    # Numbers out of bounds.
    ("api-gateway.replicas", 2, "only 1 while the database is SQLite"),
    ("api-gateway.replicas", 0, "/replicas"),
    ("orchestrator.replicas", 0, "/replicas"),
    ("orchestrator.preStopSeconds", 2, "/preStopSeconds"),
    ("frontend.preStopSeconds", 0, "/preStopSeconds"),
    ("api-gateway.settings.drainSeconds", 30, "/settings/drainSeconds"),
    ("api-gateway.settings.queueLimit", 101, "/settings/queueLimit"),
    ("orchestrator.settings.admission.activeRuns", 0, "/admission/activeRuns"),
    ("orchestrator.settings.toolThreads", 1000, "/settings/toolThreads"),
    ("orchestrator.autoscaling.targetCpuPercent", 0, "/autoscaling/targetCpuPercent"),
    ("api-gateway.backup.keep", 0, "/backup/keep"),
    ("gatewayApi.gateway.httpsPort", 70000, "/gatewayApi/gateway/httpsPort"),
    # Words that are not among the choices, or not of the form.
    ("api-gateway.settings.whenBusy", "reject", "/settings/whenBusy"),
    ("orchestrator.settings.logLevel", "verbose", "/settings/logLevel"),
    ("orchestrator.settings.logFormat", "xml", "/settings/logFormat"),
    ("frontend.image.pullPolicy", "Sometimes", "/image/pullPolicy"),
    ("frontend.image.digest", "sha256:abc", "/image/digest"),
    ("frontend.image.tag", "a tag", "/image/tag"),
    ("global.externalUrl", "coach.example.org", "/global/externalUrl"),
    ("global.externalUrl", "https://coach.example.org/app", "/global/externalUrl"),
    ("api-gateway.settings.trustedProxies", ["proxy"], "/settings/trustedProxies/0"),
    ("api-gateway.settings.allowedOrigins", ["a.org"], "/settings/allowedOrigins/0"),
    ("api-gateway.settings.instanceName", "My VB", "/settings/instanceName"),
    ("api-gateway.persistence.size", "8 GB", "/persistence/size"),
    ("api-gateway.persistence.accessMode", "ReadWriteMany", "/persistence/accessMode"),
    ("api-gateway.backup.schedule", "nightly", "/backup/schedule"),
    (
        "api-gateway.backup.persistence.accessMode",
        "ReadWriteOncePod",
        "/backup/persistence/accessMode",
    ),
    ("api-gateway.backup.restoreFrom", "../other.db", "/backup/restoreFrom"),
    ("orchestrator.modelVariables", {"OPENAI_API_KEY": "sk-1"}, "OPENAI_API_KEY"),
    ("orchestrator.modelVariables", {"VB_GATEWAY_PORT": "1"}, "VB_GATEWAY_PORT"),
    ("orchestrator.privateModels", [{"network": "10.0.0.7/32"}], "'port'"),
    ("orchestrator.privateModels", [{"network": "host", "port": 1}], "/network"),
    ("orchestrator.publicModels.exceptNetworks", ["host"], "/exceptNetworks/0"),
    ("orchestrator.serviceMonitor.interval", "often", "/serviceMonitor/interval"),
    ("global.networkPolicy.metricsClients", [{}], "/metricsClients/0"),
    ("global.networkPolicy.dnsServers", [], "/networkPolicy/dnsServers"),
    # Crews, the operator and keys.
    ("operator.enabled", False, "'enabled' not allowed"),
    ("operator.replicas", 0, "/replicas"),
    ("operator.settings.workers", 0, "/settings/workers"),
    ("operator.settings.leaseName", "mine", "'leaseName' not allowed"),
    ("operator.settings.watchNamespaces", ["a"], "'watchNamespaces' not allowed"),
    ("operator.watchNamespaces", ["A_b"], "/watchNamespaces/0"),
    ("operator.watchNamespaces", ["a", "a"], "/watchNamespaces"),
    ("operator.watchNamespaces", ["*"], "/watchNamespaces/0"),
    ("operator.apiServer.ports", [], "/apiServer/ports"),
    ("operator.apiServer.ports", [70000], "/apiServer/ports/0"),
    ("operator.apiServer.networks", ["kubernetes"], "/apiServer/networks/0"),
    ("orchestrator.settings.crewSourceAddress", "a:1", "'crewSourceAddress'"),
    ("orchestrator.stateSizeLimit", "64 MB", "/stateSizeLimit"),
    ("global.operatorToken.developmentToken", "secret", "/developmentToken"),
    ("global.credentials", [{"secret": "a", "key": "b"}], "'allowedHosts'"),
    (
        "global.credentials",
        [{"secret": "a", "key": "b", "allowedHosts": []}],
        "/global/credentials/0/allowedHosts",
    ),
    (
        "global.credentials",
        [{"secret": "a", "key": "b", "allowedHosts": ["https://c.example.org"]}],
        "/global/credentials/0/allowedHosts/0",
    ),
    (
        "global.credentials",
        [{"secret": "a", "key": "../b", "allowedHosts": ["c.example.org"]}],
        "/global/credentials/0/key",
    ),
    (
        "global.credentials",
        [{"secret": "a", "key": "b", "allowedHosts": ["c.org"], "value": "sk-1"}],
        "'value' not allowed",
    ),
    ("crews.rollout", {"step": []}, "'step' not allowed"),
    ("crews.rollout.steps", "all", "/crews/rollout/steps"),
    ("models", {"Some_Model": {"provider": "Simulated", "model": "a"}}, "Some_Model"),
    ("models", {"simulated": {"provider": "Simulated", "model": "a"}}, "simulated"),
    ("models", {"mine": {"model": "a"}}, "'provider'"),
    # Things of another type.
    ("orchestrator.replicas", "two", "/replicas"),
    ("ingress.enabled", "yes", "/ingress/enabled"),
    ("orchestrator.extraEnv", {"A": "b"}, "/extraEnv"),
    ("frontend.podLabels", {"a": 1}, "/podLabels/a"),
    ("frontend.resources", {"requests": {}, "limits": {"memory": None}}, "/limits"),
)


@pytest.mark.parametrize(
    ("path", "value", "told"), _BY_SCHEMA, ids=[row[0] for row in _BY_SCHEMA]
)
def test_the_schema_refuses(path: str, value: object, told: str) -> None:
    first, *others = installed_helms()
    with pytest.raises(RefusedError) as refused:
        render(_deep(path, value), major=first)
    assert told in str(refused.value)
    for major in others:
        # Lines of Helm have words of their own.
        named = f"{path.rpartition('.')[2]}|{re.escape(told)}"
        with pytest.raises(RefusedError, match=named):
            render(_deep(path, value), major=major)


def test_every_chart_names_its_values_place() -> None:
    with pytest.raises(RefusedError) as refused:
        render(_deep("orchestrator.replicas", "two"))
    assert "orchestrator:\n- at '/replicas'" in str(refused.value)


_BY_TEMPLATE: tuple[tuple[Values, str], ...] = (
    (
        {"global": {"operatorToken": _TOKEN}},
        "global.orchestratorToken.existingSecret is empty",
    ),
    (
        {"global": {"orchestratorToken": _TOKEN}},
        "global.operatorToken.existingSecret is empty",
    ),
    (
        _global(operatorToken={**_TOKEN, "existingSecret": "ours"}),
        "global.operatorToken: existingSecret and developmentToken are both set",
    ),
    (
        _global(credentials=[_CREDENTIAL, _CREDENTIAL]),
        'global.credentials names key "openai" of Secret "models" twice',
    ),
    (
        DEVELOPMENT
        | {
            "operator": {
                "clusterScope": {"enabled": True},
                "watchNamespaces": ["elsewhere"],
            }
        },
        "operator.clusterScope.enabled is true, which serves all namespaces",
    ),
    (
        FROM_FILES | {"models": EVERYTHING["models"]},
        "models are custom resources, which need global.operator.enabled",
    ),
    *(
        (
            DEVELOPMENT | {"orchestrator": own},
            f"orchestrator.{name} is for crews from files",
        )
        for name, own in (
            ("modelKeys.existingSecret", {"modelKeys": {"existingSecret": "keys"}}),
            ("modelKeys.variables", {"modelKeys": {"variables": {"KEY": "a"}}}),
            ("modelVariables", {"modelVariables": {"OPENAI_MODEL": "a"}}),
        )
    ),
    (
        _global(orchestratorToken={**_TOKEN, "existingSecret": "ours"}),
        "global.orchestratorToken: existingSecret and developmentToken are both set",
    ),
    (DEVELOPMENT | {"ingress": {"enabled": True}}, "global.externalUrl is empty"),
    (
        EVERYTHING | {"gatewayApi": {"enabled": True}},
        "gatewayApi.parentRefs is empty",
    ),
    (
        EVERYTHING | {"gatewayApi": {"enabled": True, "gateway": {"create": True}}},
        "gatewayApi.gateway.className is empty",
    ),
    (
        EVERYTHING | {"tls": {"certificate": {"enabled": True}}},
        "tls.secretName is empty",
    ),
    (
        EVERYTHING | {"tls": {"secretName": "a", "certificate": {"enabled": True}}},
        "tls.certificate.issuerRef.name is empty",
    ),
    (
        EVERYTHING
        | {"global": {**EVERYTHING["global"], "externalUrl": "http://a.example.org"}},
        'tls.secretName is "coach-tls", but global.externalUrl',
    ),
    (
        DEVELOPMENT
        | {
            "api-gateway": {
                "persistence": {"accessMode": "ReadWriteOncePod"},
                "backup": {"enabled": True},
            }
        },
        "api-gateway.persistence.accessMode is ReadWriteOncePod",
    ),
    (
        FROM_FILES | {"orchestrator": {"modelKeys": {"variables": {"KEY": "a"}}}},
        "orchestrator.modelKeys.existingSecret is empty",
    ),
    (
        DEVELOPMENT
        | {"orchestrator": {"autoscaling": {"enabled": True, "minReplicas": 9}}},
        "orchestrator.autoscaling.minReplicas is 9, above maxReplicas, which is 6",
    ),
)


@pytest.mark.parametrize(
    ("values", "told"), _BY_TEMPLATE, ids=[row[1] for row in _BY_TEMPLATE]
)
def test_what_does_not_go_together_is_refused(values: Values, told: str) -> None:
    with pytest.raises(RefusedError) as refused:
        render(values)
    assert told in str(refused.value)


def test_the_token_of_development_does_not_reach_production() -> None:
    with pytest.raises(RefusedError, match="unset developmentToken"):
        render(files=["dev", "production"])


def test_a_cluster_that_is_too_old_is_refused() -> None:
    with pytest.raises(RefusedError, match=r"kubeVersion: >=1\.31\.0-0"):
        render(DEVELOPMENT, options=["--kube-version=1.30.4"])


@pytest.mark.parametrize("release", ["venturebots-of-the-whole-company1", "a.b", "9a"])
def test_a_release_whose_names_kubernetes_would_refuse_is_refused(release: str) -> None:
    with pytest.raises(RefusedError, match=f'the release\'s name, "{release}"'):
        render(DEVELOPMENT, release=release)


def test_the_longest_name_of_a_release_keeps_every_name_apart_and_short() -> None:
    objects = render(EVERYTHING, apis=ALL_APIS, release="r" * 32).objects
    names = [(one["kind"], one["metadata"]["name"]) for one in objects]
    assert len(set(names)) == len(names)
    longest = {"CronJob": 52, "NetworkPolicy": 253}
    assert all(len(name) <= longest.get(kind, 63) for kind, name in names)
    assert max(len(name) for kind, name in names if kind == "CronJob") == 52
