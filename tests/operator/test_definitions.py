"""The definitions of crews before a real API server: what it takes and refuses."""

import copy
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from libs.crewspec.crds import GROUP, RESOURCES, VERSION, Resource, definition
from libs.crewspec.loader import load_directory
from libs.crewspec.resources import as_resources
from libs.crewspec.tests.bad_resources import (
    BAD_RESOURCES,
    FULL,
    REVISION,
    BadResource,
)
from tests.operator.api_server import ApiServer

_CONFIGS = Path(__file__).parents[2] / "configs"
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_PLURALS = {resource.kind: resource.plural for resource in RESOURCES}


def _tried(api: ApiServer, manifest: dict[str, Any]) -> str:
    """Make a resource without keeping it; tell why it is refused, nothing if not."""
    plural = _PLURALS[manifest["kind"]]
    path = f"/apis/{GROUP}/{VERSION}/namespaces/default/{plural}"
    strictly = {"dryRun": "All", "fieldValidation": "Strict"}
    try:
        api.request("POST", path, manifest, **strictly)
    except httpx2.HTTPStatusError as refused:
        told: str = refused.response.json()["message"]
        return told
    return ""


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.kind)
def test_a_definition_is_kept_as_it_is_written(
    api: ApiServer, resource: Resource
) -> None:
    kept = api.request("GET", f"{_DEFINITIONS}/{resource.name}")
    written = definition(resource)
    assert kept["spec"]["versions"] == written["spec"]["versions"]
    established = {one["type"]: one["status"] for one in kept["status"]["conditions"]}
    assert established == {"NamesAccepted": "True", "Established": "True"}


@pytest.mark.parametrize("name", FULL)
def test_what_uses_everything_is_taken(api: ApiServer, name: str) -> None:
    assert _tried(api, FULL[name]) == ""


def test_the_products_own_documents_are_taken(api: ApiServer) -> None:
    resources = as_resources(load_directory(_CONFIGS))
    assert len(resources) >= 8
    assert [told for one in resources if (told := _tried(api, one))] == []


@pytest.mark.parametrize("bad", BAD_RESOURCES, ids=lambda bad: bad.name)
def test_a_bad_resource_is_refused_with_its_message(
    api: ApiServer, bad: BadResource
) -> None:
    assert bad.message in _tried(api, bad.manifest)


def test_a_revision_is_kept_as_it_was_made(api: ApiServer) -> None:
    made = api.apply(
        {**REVISION, "metadata": {"name": "sample", "namespace": "default"}}
    )
    assert made["spec"] == REVISION["spec"]
    path = f"/apis/{GROUP}/{VERSION}/namespaces/default/crewrevisions"
    listed = api.request("GET", path, fieldSelector="spec.crew=coaching")
    assert [one["metadata"]["name"] for one in listed["items"]] == ["sample"]
    merge = {"content_type": "application/merge-patch+json"}
    with pytest.raises(httpx2.HTTPStatusError, match="a revision is immutable"):
        api.request("PATCH", f"{path}/sample", {"spec": {"content": "x"}}, **merge)
    api.delete("CrewRevision", "default", "sample")


def test_rules_over_lists_without_bounds_would_be_refused(api: ApiServer) -> None:
    crew = next(resource for resource in RESOURCES if resource.kind == "Crew")
    unbounded = copy.deepcopy(definition(crew))
    text = json.dumps(unbounded).replace('"maxItems": 20, ', "")
    assert text.count("maxItems") < json.dumps(unbounded).count("maxItems")
    path = f"{_DEFINITIONS}/{crew.name}"
    kept = api.request("GET", path)
    body = json.loads(text)
    body["metadata"]["resourceVersion"] = kept["metadata"]["resourceVersion"]
    with pytest.raises(httpx2.HTTPStatusError, match="exceeds budget"):
        api.request("PUT", path, body, dryRun="All")
