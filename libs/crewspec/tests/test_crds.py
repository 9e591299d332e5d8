"""The definitions of crews' resources: sound, described, and as strict as meant."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped] # ships no types
import pytest
import yaml
from pydantic import BaseModel, Field

from libs.crewspec.crds import GROUP, RESOURCES, Resource, definition
from libs.crewspec.loader import load_directory, load_objects
from libs.crewspec.resources import as_resources
from libs.crewspec.structural_schema import (
    JsonSchema,
    UnboundedError,
    structural_schema,
)
from libs.crewspec.tests.admission import refusals, rules_below, schema_of
from libs.crewspec.tests.bad_resources import (
    BAD_RESOURCES,
    FULL,
    REVISION,
    BadResource,
)
from libs.crewspec.tests.documents_of import VALID, load
from libs.crewspec.validator import validate

_ROOT = Path(__file__).parents[3]
_FORBIDDEN = {"$ref", "anyOf", "oneOf", "allOf", "default", "additionalProperties"}


def _named(resource: Resource) -> str:
    return resource.kind


def _walk(
    schema: JsonSchema, place: str, *, is_whole: bool = False
) -> Iterator[tuple[str, JsonSchema]]:
    """Walk properties, and with `is_whole` what lists hold too."""
    for name, held in schema.get("properties", {}).items():
        yield f"{place}.{name}", held
        yield from _walk(held, f"{place}.{name}", is_whole=is_whole)
    if "items" in schema:
        if is_whole:
            yield f"{place}[]", schema["items"]
        yield from _walk(schema["items"], f"{place}[]", is_whole=is_whole)


@pytest.mark.parametrize("version", ["1.31", "1.34", "1.37"])
@pytest.mark.parametrize("resource", RESOURCES, ids=_named)
def test_kubernetes_knows_every_field_of_a_definition(
    resource: Resource, version: str
) -> None:
    kubernetes_validate.validate(definition(resource), version, strict=True)


@pytest.mark.parametrize("resource", RESOURCES, ids=_named)
def test_every_field_is_described(resource: Resource) -> None:
    schema = schema_of(resource.kind)
    assert schema["description"]
    fields = [*_walk(schema, resource.kind)]
    assert len(fields) > 8
    assert [
        place
        for place, held in fields
        # The API server puts its own there.
        if not held.get("description") and place != f"{resource.kind}.metadata"
    ] == []


@pytest.mark.parametrize("resource", RESOURCES, ids=_named)
def test_a_schema_is_structural_and_bounded(resource: Resource) -> None:
    schema = schema_of(resource.kind)
    for place, held in _walk(schema, resource.kind, is_whole=True):
        assert held.keys() & _FORBIDDEN == set(), place
        match held["type"]:
            case "string" if place.count(".") > 1:
                assert "enum" in held or "maxLength" in held, place
            case "array":
                assert "maxItems" in held, place
            case "integer":
                assert {"minimum", "maximum"} <= held.keys(), place
            case other:
                assert other in {"string", "object", "boolean"}, place


def test_a_model_without_bounds_has_no_schema() -> None:
    class Endless(BaseModel):
        """Holds anything."""

        names: list[str] = Field(max_length=3)
        """Of any length."""

    with pytest.raises(UnboundedError, match=r"Endless\.names\[\] has no maxLength"):
        structural_schema(Endless)


def test_names_do_not_clash() -> None:
    names = [definition(resource)["spec"]["names"] for resource in RESOURCES]
    said = [
        word
        for one in names
        for word in (one["plural"], one["singular"], *one["shortNames"])
    ]
    assert len(said) == len(set(said)) == 3 * len(RESOURCES)
    assert {one["categories"][0] for one in names} == {"venturebots"}


def test_the_chart_holds_the_definitions_and_keeps_them() -> None:
    templates = (_ROOT / "charts" / "venturebots-crds" / "templates").glob("*.yaml")
    held = [yaml.safe_load(path.read_text("utf-8")) for path in templates]
    assert {one["metadata"]["name"] for one in held} == {
        f"{resource.plural}.{GROUP}" for resource in RESOURCES
    }
    kept = {one["metadata"]["annotations"]["helm.sh/resource-policy"] for one in held}
    assert kept == {"keep"}


@pytest.mark.parametrize("manifest", FULL.values(), ids=list(FULL))
def test_a_resource_that_uses_everything_is_taken(manifest: dict[str, Any]) -> None:
    assert refusals(manifest) == []


@pytest.mark.parametrize("bad", BAD_RESOURCES, ids=lambda bad: bad.name)
def test_a_bad_resource_is_refused(bad: BadResource) -> None:
    told = refusals(bad.manifest)
    assert told != []
    if bad.is_rule:
        assert any(bad.message in message for message in told)


def test_there_are_bad_resources_for_every_rule() -> None:
    assert len(BAD_RESOURCES) >= 40
    broken = {message for bad in BAD_RESOURCES for message in refusals(bad.manifest)}
    rules = [
        rule
        for resource in RESOURCES
        for rule in rules_below(schema_of(resource.kind))
        if "oldSelf" not in rule["rule"]
    ]
    assert len(rules) > 30
    assert {rule["message"] for rule in rules} - broken == set()


def test_a_revision_never_changes() -> None:
    assert refusals(REVISION, before=REVISION) == []
    changed = copy.deepcopy(REVISION)
    changed["spec"]["content"] = '{"format":1}'
    (told,) = refusals(changed, before=REVISION)
    assert told.startswith("a revision is immutable")


@pytest.mark.parametrize("bad", BAD_RESOURCES, ids=lambda bad: bad.name)
def test_what_a_cluster_refuses_is_a_mistake_on_a_laptop_too(bad: BadResource) -> None:
    if bad.manifest["kind"] == REVISION["kind"]:
        return
    manifest = copy.deepcopy(bad.manifest)
    manifest["metadata"]["namespace"] = "coach"
    resources = [manifest, *(_beside(manifest["kind"]))]
    found = validate(load_objects(resources, home="coach"))
    assert found != []


def _beside(kind: str) -> Iterator[dict[str, Any]]:
    """Give what the sound ones refer to, so that only the mistake is one."""
    names = {
        "Agent": (("ModelProvider", "models", "hosted"), ("Tool", "coach", "lookup")),
        "Crew": (("GuardrailPolicy", "coach", "strict"), ("Agent", "coach", "coach")),
    }
    shared = {
        "Agent": (("Tool", "shared", "search"),),
        "Crew": (("Agent", "shared", "coach"),),
    }
    for other, namespace, name in (*names.get(kind, ()), *shared.get(kind, ())):
        made = copy.deepcopy(FULL[other])
        made["metadata"] = {"name": name, "namespace": namespace}
        made["spec"]["allowedNamespaces"] = {"from": "All"}
        if other == "Agent":
            made["spec"] |= {"modelRef": "default", "toolRefs": []}
        yield made


@pytest.mark.parametrize("kind", FULL)
def test_what_a_cluster_takes_is_no_mistake_on_a_laptop(kind: str) -> None:
    manifest = copy.deepcopy(FULL[kind])
    if manifest["kind"] == REVISION["kind"]:
        return
    manifest["metadata"]["namespace"] = "coach"
    resources = [manifest, *_beside(manifest["kind"])]
    assert validate(load_objects(resources, home="coach")) == []


def test_the_products_own_documents_are_taken() -> None:
    resources = as_resources(load_directory(_ROOT / "configs"))
    assert {one["kind"] for one in resources} == {
        resource.kind for resource in RESOURCES if resource.status
    }
    assert [message for one in resources for message in refusals(one)] == []


def test_resources_hold_what_was_written_with_prompts_in_place() -> None:
    documents = load(VALID)
    resources = as_resources(documents)
    assert resources == list(yaml.safe_load_all(VALID))
