"""What a structured step must answer: a small, strict part of JSON Schema.

Only keywords that need no more than one look at a value: no references, no
patterns, no alternatives. Objects hold the properties they name and no others.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["OutputSchema", "ValueType"]

_MAX_DEPTH: Final = 8
_MAX_PROBLEMS: Final = 10
"""More of them teach a model nothing."""

_Size = Annotated[int, Field(strict=True, ge=0, le=100_000)]
_Bound = Annotated[int, Field(strict=True, ge=-(10**12), le=10**12)]
_PropertyName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,51}$")]
_Text = Annotated[str, Field(min_length=1, max_length=500)]


class ValueType(StrEnum):
    """What a value is, in JSON's words."""

    OBJECT = "object"
    ARRAY = "array"
    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"


_KEYWORDS: Final[dict[ValueType, frozenset[str]]] = {
    ValueType.OBJECT: frozenset({"properties", "required"}),
    ValueType.ARRAY: frozenset({"items", "min_items", "max_items"}),
    ValueType.STRING: frozenset({"enum", "min_length", "max_length"}),
    ValueType.INTEGER: frozenset({"minimum", "maximum"}),
    ValueType.NUMBER: frozenset({"minimum", "maximum"}),
    ValueType.BOOLEAN: frozenset(),
}


class OutputSchema(BaseModel):
    """One value and what it may hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: ValueType
    description: _Text | None = None
    properties: dict[_PropertyName, "OutputSchema"] = Field(
        default_factory=dict, max_length=50
    )
    required: tuple[_PropertyName, ...] = ()
    items: "OutputSchema | None" = None
    enum: Annotated[tuple[_Text, ...], Field(max_length=100)] = ()
    min_length: _Size | None = Field(default=None, alias="minLength")
    max_length: _Size | None = Field(default=None, alias="maxLength")
    min_items: _Size | None = Field(default=None, alias="minItems")
    max_items: _Size | None = Field(default=None, alias="maxItems")
    minimum: _Bound | None = None
    maximum: _Bound | None = None

    @model_validator(mode="after")
    def _keywords_fit_the_type(self) -> Self:
        misplaced = self.model_fields_set - _KEYWORDS[self.type]
        misplaced -= {"type", "description"}
        if misplaced:
            named = ", ".join(sorted(_written(name) for name in misplaced))
            raise ValueError(f"{named}: not for type {self.type.value}")
        unknown = set(self.required) - set(self.properties)
        if unknown:
            raise ValueError(f"required, but no property: {', '.join(sorted(unknown))}")
        if _depth(self) > _MAX_DEPTH:
            raise ValueError(f"nested more than {_MAX_DEPTH} deep")
        return self

    def problems(self, value: object) -> list[str]:
        """Tell what is wrong with a parsed JSON value; nothing when it fits."""
        found: list[str] = []
        for problem in _check(self, value, "$"):
            found.append(problem)
            if len(found) == _MAX_PROBLEMS:
                break
        return found

    def as_json_schema(self) -> dict[str, Any]:
        """Write the schema out in JSON Schema's own words."""
        schema: dict[str, Any] = self.model_dump(
            mode="json",
            by_alias=True,
            exclude_unset=True,
            exclude={"properties", "items"},
        )
        if self.type is ValueType.OBJECT:
            schema["additionalProperties"] = False
            schema["properties"] = {
                name: inner.as_json_schema() for name, inner in self.properties.items()
            }
        if self.items is not None:
            schema["items"] = self.items.as_json_schema()
        return schema


def _written(name: str) -> str:
    """A keyword as documents spell it."""
    return OutputSchema.model_fields[name].alias or name


def _depth(schema: OutputSchema) -> int:
    inner = list(schema.properties.values())
    if schema.items is not None:
        inner.append(schema.items)
    return 1 + max(map(_depth, inner), default=0)


def _check(schema: OutputSchema, value: object, at: str) -> Iterator[str]:
    match schema.type, value:
        case ValueType.OBJECT, dict():
            yield from _check_object(schema, value, at)
        case ValueType.ARRAY, list():
            yield from _check_array(schema, value, at)
        case ValueType.STRING, str():
            yield from _outside(len(value), schema.min_length, schema.max_length, at)
            if schema.enum and value not in schema.enum:
                yield f"{at}: must be one of {', '.join(schema.enum)}"
        case ValueType.BOOLEAN, bool():
            return
        case ((ValueType.INTEGER | ValueType.NUMBER), int()) if not isinstance(
            value, bool
        ):
            yield from _outside(value, schema.minimum, schema.maximum, at)
        case ValueType.NUMBER, float():
            yield from _outside(value, schema.minimum, schema.maximum, at)
        case _:
            yield f"{at}: must be of type {schema.type.value}"


def _check_object(
    schema: OutputSchema, value: dict[str, object], at: str
) -> Iterator[str]:
    for name in schema.required:
        if name not in value:
            yield f"{at}.{name}: is required"
    for name, inner in value.items():
        known = schema.properties.get(name)
        if known is None:
            yield f"{at}.{name[:52]}: unknown property"
        else:
            yield from _check(known, inner, f"{at}.{name}")


def _check_array(schema: OutputSchema, value: list[object], at: str) -> Iterator[str]:
    yield from _outside(len(value), schema.min_items, schema.max_items, at)
    if schema.items is not None:
        for index, inner in enumerate(value):
            yield from _check(schema.items, inner, f"{at}[{index}]")


def _outside(
    size: float, least: int | None, most: int | None, at: str
) -> Iterator[str]:
    if least is not None and not size >= least:
        yield f"{at}: must be at least {least}, is {size}"
    if most is not None and not size <= most:
        yield f"{at}: must be at most {most}, is {size}"
