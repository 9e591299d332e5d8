"""Every object is one that Kubernetes knows, in all versions that are supported."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.manifests.rendering import ALL_APIS, EVERYTHING, Manifest, render

_VERSIONS = ("1.31", "1.34", "1.37")
# Not Kubernetes' own; the cluster tests put them before a real API server.
_FOREIGN = (
    *("gateway.networking.k8s.io", "cert-manager.io", "monitoring.coreos.com"),
    "crew.venturebots.dev",
)


def _read(version: str, name: str) -> Any:
    schemas = files("kubernetes_validate") / "kubernetes-json-schema"
    (folder,) = (
        one
        for one in schemas.iterdir()
        if one.name.startswith(f"v{version}.") and one.name.endswith("-local-strict")
    )
    return json.loads((folder / name).read_text("utf-8"))


@cache
def _definitions(version: str) -> Registry[Any]:
    definitions = Resource.from_contents(_read(version, "_definitions.json"))
    # It names itself, and is found by that name.
    return definitions @ Registry()


@cache
def _validator(version: str, api_version: str, kind: str) -> Draft202012Validator:
    group, _, number = api_version.rpartition("/")
    prefix = f"{group.partition('.')[0]}-" if group else ""
    schema = _read(version, f"{kind.lower()}-{prefix}{number}.json")
    return Draft202012Validator(schema, registry=_definitions(version))


def _objects() -> list[Manifest]:
    return [
        *render(EVERYTHING, apis=ALL_APIS).objects,
        *render(files=["dev"]).objects,
        *render(files=["staging"]).objects,
        *render(files=["production"]).objects,
    ]


@pytest.mark.parametrize("version", _VERSIONS)
def test_kubernetes_knows_every_field(version: str) -> None:
    looked_at = 0
    for one in _objects():
        if one["apiVersion"].startswith(_FOREIGN):
            continue
        validator = _validator(version, one["apiVersion"], one["kind"])
        errors = [
            (one["kind"], one["metadata"]["name"], error.json_path, error.message)
            for error in validator.iter_errors(one)
        ]
        assert errors == []
        looked_at += 1
    assert looked_at > 110


def test_an_unknown_field_would_be_found() -> None:
    deployment = render(files=["dev"]).one("Deployment", "vb-frontend")
    spec = {**deployment["spec"], "replica": 1}
    validator = _validator(_VERSIONS[0], "apps/v1", "Deployment")
    assert not validator.is_valid({**deployment, "spec": spec})
