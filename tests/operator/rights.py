"""The rights of the operator's account, as its chart grants them, and no others."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.operator.api_server import ApiServer

__all__ = ["grant", "grant_everywhere"]

_GROUP = "rbac.authorization.k8s.io"
_CREW_RULES: list[dict[str, Any]] = [
    {
        "apiGroups": ["crew.venturebots.dev"],
        "resources": [
            *("agents", "crewrevisions", "crews", "guardrailpolicies"),
            *("modelproviders", "tools"),
        ],
        "verbs": ["get", "list", "watch"],
    },
    {
        "apiGroups": ["crew.venturebots.dev"],
        "resources": ["crews"],
        "verbs": ["patch"],
    },
    {
        "apiGroups": ["crew.venturebots.dev"],
        "resources": [
            *("agents/status", "crews/status", "guardrailpolicies/status"),
            *("modelproviders/status", "tools/status"),
        ],
        "verbs": ["patch"],
    },
    {
        "apiGroups": ["crew.venturebots.dev"],
        "resources": ["crewrevisions"],
        "verbs": ["create", "delete"],
    },
    {
        "apiGroups": ["events.k8s.io"],
        "resources": ["events"],
        "verbs": ["create", "patch"],
    },
]
_HOME_RULES: list[dict[str, Any]] = [
    {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "resourceNames": ["operator"],
        "verbs": ["get", "update"],
    },
    {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "verbs": ["create"],
    },
    {
        "apiGroups": [""],
        "resources": ["configmaps"],
        "resourceNames": ["bootstrap"],
        "verbs": ["get", "patch"],
    },
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]},
    {
        "apiGroups": ["discovery.k8s.io"],
        "resources": ["endpointslices"],
        "verbs": ["get", "list", "watch"],
    },
    {
        "apiGroups": [""],
        "resources": ["secrets"],
        "resourceNames": ["models"],
        "verbs": ["get"],
    },
]


def grant(api: ApiServer, namespace: str, *users: str) -> None:
    """Make a namespace in which users may do what the operator may at home."""
    api.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    )
    metadata = {"name": "operator", "namespace": namespace}
    for body in _granted("", metadata, [*_CREW_RULES, *_HOME_RULES], users):
        api.apply(body)


@contextmanager
def grant_everywhere(api: ApiServer, *users: str) -> Iterator[None]:
    """Let users look after the crews of all namespaces for a while."""
    bodies = _granted("Cluster", {"name": "operator"}, _CREW_RULES, users)
    for body in bodies:
        api.apply(body)
    try:
        yield
    finally:
        for body in bodies:
            api.remove(body)


def _granted(
    scope: str,
    metadata: dict[str, str],
    rules: list[dict[str, Any]],
    users: tuple[str, ...],
) -> tuple[dict[str, Any], dict[str, Any]]:
    about = {"apiVersion": f"{_GROUP}/v1", "metadata": metadata}
    subjects = [{"apiGroup": _GROUP, "kind": "User", "name": user} for user in users]
    role = {"apiGroup": _GROUP, "kind": f"{scope}Role", "name": metadata["name"]}
    binding = {"roleRef": role, "subjects": subjects}
    return (
        {**about, "kind": f"{scope}Role", "rules": rules},
        {**about, "kind": f"{scope}RoleBinding", **binding},
    )
