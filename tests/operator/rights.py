"""The rights of the operator's account, as its chart grants them, and no others."""

from typing import Any

from tests.operator.api_server import ApiServer

__all__ = ["grant"]

_RULES: list[dict[str, Any]] = [
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
    """Make a namespace in which users may do what the operator may."""
    namespaced = {"name": "operator", "namespace": namespace}
    group = "rbac.authorization.k8s.io"
    api.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    )
    api.apply(
        {
            "apiVersion": f"{group}/v1",
            "kind": "Role",
            "metadata": namespaced,
            "rules": _RULES,
        }
    )
    api.apply(
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": namespaced,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "operator"},
            "subjects": [
                {"apiGroup": group, "kind": "User", "name": user} for user in users
            ],
        }
    )
