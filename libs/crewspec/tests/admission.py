"""What an API server would say of a resource, as far as schemas and rules go.

Not its words for mistakes of shape, but its verdict; of rules also the message. Costs,
types of rules and field managers are known to a real one only.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import celpy
from celpy.adapter import json_to_cel
from jsonschema import Draft202012Validator

from libs.crewspec.crds import RESOURCES, definition
from libs.crewspec.structural_schema import JsonSchema

__all__ = ["refusals", "rules_below", "schema_of"]

type _Judge = Callable[[object, object], bool]


@cache
def schema_of(kind: str) -> JsonSchema:
    """Return the schema of a kind as its definition has it."""
    resource = next(one for one in RESOURCES if one.kind == kind)
    (version,) = definition(resource)["spec"]["versions"]
    schema: JsonSchema = version["schema"]["openAPIV3Schema"]
    return schema


def refusals(manifest: dict[str, Any], *, before: object = None) -> list[str]:
    """Tell why a resource is refused; nothing when it is taken.

    `before` is what it was, when it is changed rather than made.
    """
    schema = schema_of(manifest["kind"])
    validator = Draft202012Validator(_strict(schema))
    shape = [
        f"{error.json_path}: {error.message}"
        for error in validator.iter_errors(manifest)
    ]
    return shape or [*_by_rules(schema, manifest, before), *_twice(schema, manifest)]


def rules_below(schema: JsonSchema) -> Iterator[dict[str, str]]:
    """Walk all rules of a schema and of what is below it."""
    yield from schema.get("x-kubernetes-validations", [])
    for held in schema.get("properties", {}).values():
        yield from rules_below(held)
    if "items" in schema:
        yield from rules_below(schema["items"])


def _strict(schema: JsonSchema) -> JsonSchema:
    """Refuse fields that are not declared, as server-side apply and kubectl do."""
    made = dict(schema)
    if "properties" in schema:
        properties = schema["properties"].items()
        made["properties"] = {name: _strict(held) for name, held in properties}
        is_open = schema.get("x-kubernetes-preserve-unknown-fields", False)
        made["additionalProperties"] = is_open
    elif schema.get("type") == "object":
        made["additionalProperties"] = True  # metadata, which is Kubernetes' own
    if "items" in schema:
        made["items"] = _strict(schema["items"])
    return made


def _below(schema: JsonSchema, value: Any) -> Iterator[tuple[JsonSchema, Any, str]]:
    match value:
        case dict():
            for name, held in value.items():
                if name in schema.get("properties", {}):
                    yield schema["properties"][name], held, name
        case list():
            for held in value:
                yield schema["items"], held, ""
        case _:
            return


def _by_rules(schema: JsonSchema, value: Any, before: Any) -> Iterator[str]:
    for rule in schema.get("x-kubernetes-validations", []):
        # A rule over changes is not asked about what is new.
        if "oldSelf" in rule["rule"] and before is None:
            continue
        if not _judge(rule["rule"])(value, before):
            yield rule["message"]
    for inner, held, name in _below(schema, value):
        earlier = before.get(name) if isinstance(before, dict) else None
        yield from _by_rules(inner, held, earlier)


@cache
def _judge(rule: str) -> _Judge:
    environment = celpy.Environment()
    program = environment.program(environment.compile(rule))

    def holds(value: Any, before: Any) -> bool:
        told = {"self": json_to_cel(value), "oldSelf": json_to_cel(before)}
        verdict: Any = program.evaluate(told)
        return bool(verdict)

    return holds


def _twice(schema: JsonSchema, value: Any) -> Iterator[str]:
    match schema.get("x-kubernetes-list-type"):
        case "set":
            names = list(value)
        case "map":
            (key,) = schema["x-kubernetes-list-map-keys"]
            names = [held[key] for held in value]
        case _:
            names = []
    yield from (f"{name}: duplicate" for name in set(names) if names.count(name) > 1)
    for inner, held, _ in _below(schema, value):
        yield from _twice(inner, held)
