"""Structural schemas: what Kubernetes can read of the models' JSON Schema.

Everything is in place (no references), what is optional may be left out rather than
be null, and defaults stay with the models, so that stored objects hold what somebody
wrote. Descriptions are the docstrings of classes and of fields.
"""

import ast
import inspect
import textwrap
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from typing import Any, Final, override

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from libs.crewspec.crd_rules import LISTS, RULES
from libs.crewspec.output_schema import OutputSchema, ValueType

__all__ = ["JsonSchema", "UnboundedError", "structural_schema"]

type JsonSchema = dict[str, Any]

_ORDER: Final[tuple[str, ...]] = (
    "description",
    "type",
    "enum",
    "pattern",
    "required",
    "properties",
)
_DROPPED: Final = frozenset({"title", "default", "additionalProperties"})


class UnboundedError(ValueError):
    """A string, list or number has no bound: rules over it could cost anything."""


def structural_schema(model: type[BaseModel]) -> JsonSchema:
    """Return the schema of a model; raises UnboundedError for what has no bounds."""
    written = model.model_json_schema(schema_generator=_Described)
    inlined = _inlined(written, written.pop("$defs", {}))
    _check_bounds(inlined, model.__name__)
    return inlined


class _Described(GenerateJsonSchema):
    """Adds to each model what only Kubernetes reads, and drops nulls and defaults."""

    @override
    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        model: type[BaseModel] = schema["cls"]
        if model is OutputSchema:
            return _FREE_SCHEMA
        made = super().model_schema(schema)
        made["description"] = _joined(inspect.getdoc(model) or "")
        told = _field_descriptions(model)
        for name, field in model.model_fields.items():
            alias = field.alias or name
            held = made["properties"][alias]
            extra = LISTS.get((model, name), {})
            made["properties"][alias] = {**held, **extra, "description": told[name]}
        if model in RULES:
            rules = [rule.as_kubernetes() for rule in RULES[model]]
            made["x-kubernetes-validations"] = rules
        return made

    @override
    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    @override
    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


_FREE_SCHEMA: Final[JsonSchema] = {
    "description": _d if (_d := inspect.getdoc(OutputSchema)) else "",
    "type": "object",
    "required": ["type"],
    "properties": {
        "type": {
            "description": "What the value is.",
            "type": "string",
            "enum": [kind.value for kind in ValueType],
        }
    },
    # It holds schemas of its own kind, which no structural schema can say.
    "x-kubernetes-preserve-unknown-fields": True,
}


@cache
def _field_descriptions(model: type[BaseModel]) -> Mapping[str, str]:
    """Read the docstrings below a model's fields, those of its bases too."""
    told: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if not issubclass(base, BaseModel) or base is BaseModel:
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        if isinstance(tree, ast.ClassDef):
            told.update(_docstrings(tree))
    return told


def _docstrings(tree: ast.ClassDef) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for node, following in pairwise(tree.body):
        match node, following:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = _joined(inspect.cleandoc(text))
            case _:
                continue
    return found


def _joined(text: str) -> str:
    """Undo the wrapping of lines; paragraphs stay apart."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _inlined(schema: JsonSchema, defs: Mapping[str, JsonSchema]) -> JsonSchema:
    if "$ref" in schema:
        target = defs[schema["$ref"].rpartition("/")[2]]
        beside = {key: held for key, held in schema.items() if key != "$ref"}
        schema = {**target, **beside}
    made = {key: held for key, held in schema.items() if key not in _DROPPED}
    if "properties" in made:
        made["properties"] = {
            name: _inlined(held, defs) for name, held in made["properties"].items()
        }
    if "items" in made:
        made["items"] = _inlined(made["items"], defs)
    first = {key: made[key] for key in _ORDER if key in made}
    return {**first, **made}


def _check_bounds(schema: JsonSchema, place: str) -> None:
    needed: Mapping[str, set[str]] = {
        "string": set() if "enum" in schema else {"maxLength"},
        "array": {"maxItems"},
        "integer": {"minimum", "maximum"},
    }
    missing = needed.get(schema["type"], set()) - set(schema)
    if missing:
        raise UnboundedError(f"{place} has no {', '.join(sorted(missing))}")
    for name, held in schema.get("properties", {}).items():
        _check_bounds(held, f"{place}.{name}")
    if "items" in schema:
        _check_bounds(schema["items"], f"{place}[]")
