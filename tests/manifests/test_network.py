"""Nothing goes in or out of the pods but what is declared."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from tests.manifests.rendering import (
    ALL_APIS,
    DEVELOPMENT,
    EVERYTHING,
    FROM_FILES,
    Manifest,
    Values,
    render,
)

_SHARED = DEVELOPMENT["global"]


def _policies(values: Values) -> dict[str, Manifest]:
    found = render(values, apis=ALL_APIS).of_kind("NetworkPolicy")
    return {name.removeprefix("vb-"): one["spec"] for name, one in found.items()}


def _sibling(name: str) -> Manifest:
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/instance": "vb"}
    return {"podSelector": {"matchLabels": labels}}


def _with_network(**values: object) -> Values:
    return {"global": {**_SHARED, "networkPolicy": values}}


def test_every_pod_is_closed_in_both_directions() -> None:
    rendering = render(EVERYTHING, apis=ALL_APIS)
    closed = [
        policy["spec"]["podSelector"]["matchLabels"]
        for name, policy in rendering.of_kind("NetworkPolicy").items()
        if name.endswith("-deny-all")
        and policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
        and not {"ingress", "egress"} & set(policy["spec"])
    ]
    for name, labels in rendering.pod_labels().items():
        selecting = [want for want in closed if want.items() <= labels.items()]
        assert len(selecting) == 1, name


def test_the_edges_are_these_and_no_other() -> None:
    edges = {name for name in _policies(DEVELOPMENT) if not name.endswith("-deny-all")}
    assert edges == {
        "api-gateway-from-chat-test",
        "api-gateway-from-ingress-controllers",
        "api-gateway-to-dns",
        "api-gateway-to-orchestrator",
        "chat-test-to-dns",
        "chat-test-to-gateway",
        "frontend-from-ingress-controllers",
        "operator-from-orchestrator",
        "operator-to-api-server",
        "operator-to-dns",
        "orchestrator-from-gateway",
        "orchestrator-to-dns",
        "orchestrator-to-operator",
        "orchestrator-to-public-models",
    }


def test_without_the_operator_nobody_may_ask_for_it() -> None:
    assert not [name for name in _policies(FROM_FILES) if "operator" in name]


def test_only_orchestrators_reach_the_operator() -> None:
    policies = _policies(DEVELOPMENT)
    ports = [{"port": 50052, "protocol": "TCP"}]
    assert policies["operator-from-orchestrator"]["ingress"] == [
        {"from": [_sibling("orchestrator")], "ports": ports}
    ]
    assert policies["orchestrator-to-operator"]["egress"] == [
        {"to": [_sibling("operator")], "ports": ports}
    ]


def test_only_the_operator_reaches_the_api_server() -> None:
    policies = _policies(DEVELOPMENT)
    ports = [{"port": port, "protocol": "TCP"} for port in (443, 6443)]
    assert policies["operator-to-api-server"]["egress"] == [{"ports": ports}]
    networks = ["10.0.0.10/32", "fd00::7/128"]
    where = {"networks": networks, "ports": [8443]}
    policies = _policies(DEVELOPMENT | {"operator": {"apiServer": where}})
    assert policies["operator-to-api-server"]["egress"] == [
        {
            "to": [{"ipBlock": {"cidr": network}} for network in networks],
            "ports": [{"port": 8443, "protocol": "TCP"}],
        }
    ]


def test_only_the_gateway_reaches_the_orchestrator() -> None:
    policies = _policies(DEVELOPMENT)
    ports = [{"port": 50051, "protocol": "TCP"}]
    assert policies["orchestrator-from-gateway"]["ingress"] == [
        {"from": [_sibling("api-gateway")], "ports": ports}
    ]
    assert policies["api-gateway-to-orchestrator"]["egress"] == [
        {"to": [_sibling("orchestrator")], "ports": ports}
    ]


def test_the_public_ports_can_be_kept_to_ingress_controllers() -> None:
    peers = [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]
    for values, told in (
        (DEVELOPMENT, {}),
        (_with_network(ingressControllers=peers), {"from": peers}),
    ):
        policies = _policies(values)
        for name, port in (("api-gateway", 8000), ("frontend", 8080)):
            (rule,) = policies[f"{name}-from-ingress-controllers"]["ingress"]
            ports = [{"port": port, "protocol": "TCP"}]
            assert rule == {"ports": ports, **told}


def test_metrics_are_for_those_named() -> None:
    peers: list[Manifest] = [{"namespaceSelector": {}}]
    policies = _policies(_with_network(metricsClients=peers))
    told = (("api-gateway", 9090), ("orchestrator", 9091), ("operator", 9092))
    for name, port in told:
        (rule,) = policies[f"{name}-from-metrics-clients"]["ingress"]
        ports = [{"port": port, "protocol": "TCP"}]
        assert rule == {"from": peers, "ports": ports}


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [
        ("http://collector.observability", 4317),
        ("https://traces.example.org:14317", 14317),
    ],
)
def test_traces_may_go_to_their_collector(endpoint: str, port: int) -> None:
    collectors = [{"podSelector": {"matchLabels": {"app": "collector"}}}]
    tracing = {"endpoint": endpoint, "collectors": collectors}
    rendering = render({"global": {**_SHARED, "tracing": tracing}})
    for name in ("api-gateway", "orchestrator"):
        (rule,) = rendering.policy(f"{name}-to-trace-collector")["egress"]
        assert rule["to"] == collectors
        assert rule["ports"] == [{"port": port, "protocol": "TCP"}]
        config = rendering.one("ConfigMap", f"vb-{name}")["data"]
        assert config["OTEL_EXPORTER_OTLP_ENDPOINT"] == endpoint


def test_dns_is_where_it_is_said_to_be() -> None:
    servers = [{"ipBlock": {"cidr": "169.254.20.10/32"}}]
    policies = _policies(_with_network(dnsServers=servers))
    for name in ("api-gateway", "chat-test", "operator", "orchestrator"):
        (rule,) = policies[f"{name}-to-dns"]["egress"]
        assert rule["to"] == servers
        assert [port["port"] for port in rule["ports"]] == [53, 53]


def _reaches(rule: Manifest, address: str) -> bool:
    found = ip_address(address)
    return any(
        found in ip_network(block["cidr"])
        and not any(found in ip_network(hole) for hole in block["except"])
        for block in (peer["ipBlock"] for peer in rule["to"])
    )


def test_a_hole_is_within_its_network() -> None:
    policies = _policies(DEVELOPMENT)
    (rule,) = policies["orchestrator-to-public-models"]["egress"]
    for peer in rule["to"]:
        block = peer["ipBlock"]
        whole = ip_network(block["cidr"])
        # What the API server asks for, beyond the schema.
        for hole in map(ip_network, block["except"]):
            assert hole.network_address in whole
            assert hole.prefixlen > whole.prefixlen


@pytest.mark.parametrize(
    ("address", "is_open"),
    [
        ("104.18.7.192", True),
        ("2606:4700::6812:7c0", True),
        ("10.96.0.1", False),
        ("172.16.0.9", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("fd00::1", False),
        ("fe80::1", False),
        ("203.0.113.7", False),
        ("2001:db8::7", False),
        ("2002:a00:1::1", False),
    ],
)
def test_models_are_public_https_and_nothing_else(address: str, is_open: bool) -> None:  # noqa: FBT001 - the row's own
    holes = ["203.0.113.7/32", "2001:db8::/32"]
    own = {"publicModels": {"exceptNetworks": holes}}
    policies = _policies(DEVELOPMENT | {"orchestrator": own})
    (rule,) = policies["orchestrator-to-public-models"]["egress"]
    assert rule["ports"] == [{"port": 443, "protocol": "TCP"}]
    assert _reaches(rule, address) == is_open


def test_an_exception_is_of_what_is_open() -> None:
    # The API server refuses any other, though it would change nothing.
    holes = ["203.0.113.7/32", "fd00::/8", "2001:db8::/32", "::ffff:0:0/96"]
    own = {"publicModels": {"exceptNetworks": holes}}
    policies = _policies(DEVELOPMENT | {"orchestrator": own})
    (rule,) = policies["orchestrator-to-public-models"]["egress"]
    kept = [block["ipBlock"] for block in rule["to"]]
    assert [set(holes) & set(block["except"]) for block in kept] == [
        {"203.0.113.7/32"},
        {"2001:db8::/32"},
    ]


def test_the_public_internet_can_be_closed() -> None:
    own = {"publicModels": {"enabled": False}}
    policies = _policies(DEVELOPMENT | {"orchestrator": own})
    assert "orchestrator-to-public-models" not in policies


def test_a_private_model_opens_the_policy_and_the_check_of_addresses() -> None:
    pods = [{"podSelector": {"matchLabels": {"app": "model"}}}]
    models: list[dict[str, Any]] = [
        {"network": "10.96.40.7/32", "port": 8080, "to": pods},
        {"network": "192.168.7.0/24", "port": 11434},
    ]
    rendering = render(DEVELOPMENT | {"orchestrator": {"privateModels": models}})
    config = rendering.one("ConfigMap", "vb-orchestrator")["data"]
    networks = config["VB_ORCHESTRATOR_MODEL_NETWORKS"]
    assert networks == "10.96.40.7/32,192.168.7.0/24"
    behind, beside = (
        rendering.policy(f"orchestrator-to-private-model-{index}")["egress"][0]
        for index in (0, 1)
    )
    assert behind == {"to": pods, "ports": [{"port": 8080, "protocol": "TCP"}]}
    assert beside["to"] == [{"ipBlock": {"cidr": "192.168.7.0/24"}}]


def test_policies_can_be_left_to_others() -> None:
    assert not _policies(_with_network(enabled=False))
