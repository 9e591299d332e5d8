"""Enforce NetworkPolicy on the test cluster's nodes with nftables.

Supports everything in networking.k8s.io/v1 but SCTP and IPv6. The policies become one
table, loaded where it changed: on the host, and in the network namespace of each
further node.
"""

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.cluster.testbed.api_client import ApiClient, Object

_TABLE = "testbed-policies"
_POLICIES = "/apis/networking.k8s.io/v1/networkpolicies"
_HOST = Path("/proc/self/ns/net")
_NAMESPACES = Path("/run/netns")


class _Side(NamedTuple):
    """One direction: the isolated pod's address, its peer's, and their key."""

    own: str
    other: str
    peers: str


_SIDES = {
    "Ingress": _Side("ip daddr", "ip saddr", "from"),
    "Egress": _Side("ip saddr", "ip daddr", "to"),
}
_HOOKS = """chain forward {
type filter hook forward priority filter - 5; policy accept;
ct state established,related accept
jump egress
jump ingress
}
chain input {
type filter hook input priority filter - 5; policy accept;
ct state established,related accept
jump egress
}
"""


class NetworkPolicies:
    """The policies of a cluster, enforced on every node."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self._loaded: dict[Path, str] = {}

    def run_once(self) -> None:
        """Read what applies now and load it where it is not yet."""
        world = World(
            self._api.list("/api/v1/pods"), self._api.list("/api/v1/namespaces")
        )
        table = compiled(world, self._api.list(_POLICIES))
        places = [_HOST, *_NAMESPACES.glob("node[0-9]*")]
        self._loaded = {
            place: known for place, known in self._loaded.items() if place in places
        }
        for place in places:
            if self._loaded.get(place) != table:
                _load(table, place)
                self._loaded[place] = table


class World:
    """One reading of the cluster, with the questions a policy asks of it."""

    def __init__(self, pods: Iterable[Object], namespaces: Iterable[Object]) -> None:
        self._namespaces = {
            namespace["metadata"]["name"]: namespace["metadata"].get("labels", {})
            for namespace in namespaces
        }
        self.pods = [pod for pod in pods if _has_own_address(pod)]

    def select(self, selector: Object, namespace: str) -> list[Object]:
        """Find the pods of a namespace that a selector matches."""
        return [
            pod
            for pod in self.pods
            if pod["metadata"]["namespace"] == namespace
            and _matches(selector, pod["metadata"].get("labels", {}))
        ]

    def addresses(self, peer: Object, namespace: str) -> list[str]:
        """Tell what stands right of an address in nft for a rule's peer."""
        if block := peer.get("ipBlock"):
            if ":" in block["cidr"]:
                return []  # no pod has an IPv6 address to reach it from
            holes = ", ".join(block.get("except", []))
            return [block["cidr"], f"!= {{ {holes} }}"] if holes else [block["cidr"]]
        names = [namespace]
        if "namespaceSelector" in peer:
            selector = peer["namespaceSelector"]
            names = [
                name
                for name, labels in self._namespaces.items()
                if _matches(selector, labels)
            ]
        pods = [
            pod
            for name in names
            for pod in self.select(peer.get("podSelector", {}), name)
        ]
        return [_set_of(pods)] if pods else []


def compiled(world: World, policies: Iterable[Object]) -> str:
    """Write the nft table that stands for the policies."""
    rules: dict[str, list[str]] = {kind: [] for kind in _SIDES}
    isolated: dict[str, list[Object]] = {kind: [] for kind in _SIDES}
    for policy in policies:
        spec, namespace = policy["spec"], policy["metadata"]["namespace"]
        chosen = world.select(spec.get("podSelector", {}), namespace)
        for kind in spec.get("policyTypes", ["Ingress"]) if chosen else []:
            isolated[kind] += chosen
            for rule in spec.get(kind.lower()) or []:
                rules[kind] += _allowed(world, kind, rule, chosen)
    lines = [f"table ip {_TABLE}", f"delete table ip {_TABLE}", f"table ip {_TABLE} {{"]
    for kind, side in _SIDES.items():
        lines += [f"chain {kind.lower()} {{", *rules[kind]]
        if isolated[kind]:
            lines.append(f"{side.own} {_set_of(isolated[kind])} counter drop")
        lines.append("}")
    return "\n".join([*lines, _HOOKS + "}"]) + "\n"


def _allowed(world: World, kind: str, rule: Object, chosen: list[Object]) -> list[str]:
    """Write one rule: who may reach whom, at which ports."""
    side = _SIDES[kind]
    own = f"{side.own} {_set_of(chosen)}"
    namespace = chosen[0]["metadata"]["namespace"]
    peers = [""]
    if rule.get(side.peers):
        peers = [
            " ".join(f"{side.other} {address}" for address in addresses)
            for peer in rule[side.peers]
            if (addresses := world.addresses(peer, namespace))
        ]
    targets = chosen if kind == "Ingress" else world.pods
    ports = _ports(rule.get("ports") or [], targets)
    return [f"{own} {peer} {port} return" for peer in peers for port in ports]


def _ports(ports: list[Object], targets: Iterable[Object]) -> list[str]:
    """Tell nft a rule's ports; a named one is looked up in the pods it leads to."""
    if not ports:
        return [""]
    terms: list[str] = []
    for port in ports:
        protocol, number = port.get("protocol", "TCP").lower(), port.get("port")
        if number is None:
            terms.append(f"meta l4proto {protocol}")
        elif isinstance(number, int):
            last = f"-{port['endPort']}" if "endPort" in port else ""
            terms.append(f"{protocol} dport {number}{last}")
        else:
            named = sorted(_numbers(number, targets))
            terms += [f"{protocol} dport {found}" for found in named]
    return terms


def _numbers(name: str, pods: Iterable[Object]) -> set[int]:
    return {
        port["containerPort"]
        for pod in pods
        for container in pod["spec"]["containers"]
        for port in container.get("ports", [])
        if port.get("name") == name
    }


def _set_of(pods: Iterable[Object]) -> str:
    addresses = {pod["status"]["podIP"] for pod in pods}
    return f"{{ {', '.join(sorted(addresses))} }}"


def _has_own_address(pod: Object) -> bool:
    return (
        bool(pod["status"].get("podIP"))
        and not pod["spec"].get("hostNetwork")
        and pod["status"].get("phase") not in {"Succeeded", "Failed"}
    )


def _matches(selector: Object, labels: Mapping[str, str]) -> bool:
    """Follow Kubernetes: an empty selector matches all."""
    wanted = selector.get("matchLabels", {})
    terms = selector.get("matchExpressions", [])
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(term, labels.get(term["key"])) for term in terms
    )


def _holds(term: Object, value: str | None) -> bool:
    match term["operator"]:
        case "In":
            return value in term["values"]
        case "NotIn":
            return value not in term["values"]
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case other:
            message = f"no such operator: {other}"
            raise ValueError(message)


def _load(table: str, place: Path) -> None:
    enter = ["nsenter", f"--net={place}", "--", "nft", "-f", "-"]
    subprocess.run(enter, input=table, text=True, check=True)
