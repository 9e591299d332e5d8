"""A real API server takes what the charts render, to the last object and field."""

import json

import pytest

from tests.cluster.kubernetes import Kubernetes, namespace
from tests.manifests.rendering import EVERYTHING, Values, render

# kubectl applies to one namespace at a time; what is granted elsewhere is a Role too.
_OPERATOR = {**EVERYTHING["operator"], "watchNamespaces": []}


@pytest.mark.parametrize(
    ("profiles", "values"),
    [
        (["dev"], {}),
        (["staging"], {}),
        (["production"], {}),
        ([], EVERYTHING | {"operator": _OPERATOR}),
    ],
    ids=["dev", "staging", "production", "everything"],
)
def test_the_api_server_takes_every_object(
    profiles: list[str], values: Values, kubernetes: Kubernetes
) -> None:
    objects = render(values, files=profiles).objects
    manifest = {"apiVersion": "v1", "kind": "List", "items": objects}
    with namespace(kubernetes) as name:
        done = kubernetes.run(
            *("kubectl", "--context", kubernetes.environment["VB_CLUSTER_CONTEXT"]),
            *("apply", "--server-side", "--dry-run=server", "--namespace", name),
            *("--filename", "-"),
            stdin=json.dumps(manifest),
        )
    assert done.stdout.count("serverside-applied (server dry run)") == len(objects)
    assert done.stderr == ""
