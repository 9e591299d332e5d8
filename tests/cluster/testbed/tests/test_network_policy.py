"""The table that stands for the policies, line by line."""

import pytest

from tests.cluster.testbed.api_client import Object
from tests.cluster.testbed.network_policy import World, compiled

_NAMESPACES = [
    {"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}}}
    for name in ("shop", "traefik")
]


def _pod(name: str, address: str, *, namespace: str = "shop", **more: Object) -> Object:
    metadata = {"name": name, "namespace": namespace, "labels": {"app": name}}
    port = {"name": "grpc", "containerPort": 50051}
    return {
        "metadata": metadata,
        "spec": {"containers": [{"ports": [port]}], **more.get("spec", {})},
        "status": {"podIP": address, "phase": "Running", **more.get("status", {})},
    }


_PODS = [
    _pod("gateway", "10.0.0.1"),
    _pod("crews", "10.0.0.2"),
    _pod("traefik", "10.0.0.3", namespace="traefik"),
    _pod("ended", "10.0.0.4", status={"phase": "Succeeded"}),
    _pod("on-host", "10.0.0.5", spec={"hostNetwork": True}),
]


def _rules(**spec: object) -> list[str]:
    """Compile one policy of the namespace `shop`; return its rules."""
    policy = {"metadata": {"namespace": "shop"}, "spec": spec}
    table = compiled(World(_PODS, _NAMESPACES), [policy])
    return [" ".join(line.split()) for line in table.splitlines() if " daddr" in line]


def _app(name: str) -> Object:
    return {"podSelector": {"matchLabels": {"app": name}}}


def test_a_policy_without_rules_lets_nothing_in() -> None:
    assert _rules(**_app("crews"), policyTypes=["Ingress"]) == [
        "ip daddr { 10.0.0.2 } counter drop"
    ]


def test_pods_that_ended_or_share_the_host_are_left_alone() -> None:
    assert _rules(policyTypes=["Ingress"]) == [
        "ip daddr { 10.0.0.1, 10.0.0.2 } counter drop"
    ]


def test_a_named_port_is_that_of_the_pod_it_leads_to() -> None:
    rule = {"from": [_app("gateway")], "ports": [{"port": "grpc"}]}

    assert _rules(**_app("crews"), ingress=[rule]) == [
        "ip daddr { 10.0.0.2 } ip saddr { 10.0.0.1 } tcp dport 50051 return",
        "ip daddr { 10.0.0.2 } counter drop",
    ]


def test_a_peer_may_be_another_namespace() -> None:
    label = {"kubernetes.io/metadata.name": "traefik"}
    rule = {"from": [{"namespaceSelector": {"matchLabels": label}}]}

    assert _rules(**_app("gateway"), ingress=[rule])[0] == (
        "ip daddr { 10.0.0.1 } ip saddr { 10.0.0.3 } return"
    )


def test_a_network_may_have_holes() -> None:
    block = {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "169.254.0.0/16"]}
    rule = {"to": [{"ipBlock": block}], "ports": [{"port": 443, "protocol": "TCP"}]}

    assert _rules(**_app("crews"), policyTypes=["Egress"], egress=[rule])[0] == (
        "ip saddr { 10.0.0.2 } ip daddr 0.0.0.0/0"
        " ip daddr != { 10.0.0.0/8, 169.254.0.0/16 } tcp dport 443 return"
    )


def test_a_network_of_ipv6_is_one_no_pod_can_reach() -> None:
    rule = {"to": [{"ipBlock": {"cidr": "::/0", "except": ["fc00::/7"]}}]}

    assert _rules(**_app("crews"), policyTypes=["Egress"], egress=[rule]) == []


def test_a_peer_that_is_no_pod_yet_allows_nobody() -> None:
    assert _rules(**_app("crews"), ingress=[{"from": [_app("nobody")]}]) == [
        "ip daddr { 10.0.0.2 } counter drop"
    ]


@pytest.mark.parametrize(
    ("operator", "values", "chosen"),
    [
        ("In", ["gateway"], "10.0.0.1"),
        ("NotIn", ["gateway"], "10.0.0.2"),
        ("Exists", [], "10.0.0.1, 10.0.0.2"),
    ],
)
def test_a_selector_may_be_an_expression(
    operator: str, values: list[str], chosen: str
) -> None:
    term = {"key": "app", "operator": operator, "values": values}
    selector = {"matchExpressions": [term]}

    assert _rules(podSelector=selector, policyTypes=["Ingress"]) == [
        f"ip daddr {{ {chosen} }} counter drop"
    ]
