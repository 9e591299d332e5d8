"""Data the simulated coach answers with when it is asked for data."""

from typing import Any

__all__ = ["example_of"]

_TEXT = "not said yet"


def example_of(schema: dict[str, Any], topic: str) -> object:
    """A small value that fits a JSON Schema; the topic where there is room for text."""
    return _example(schema, topic, schema.get("$defs", {}))


def _example(schema: dict[str, Any], topic: str, definitions: dict[str, Any]) -> object:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _example(definitions[name], topic, definitions)
    if schema.get("anyOf"):
        return _example(schema["anyOf"][-1], topic, definitions)
    if schema.get("enum"):
        return schema["enum"][0]
    return _typed(schema, topic, definitions)


def _typed(schema: dict[str, Any], topic: str, definitions: dict[str, Any]) -> object:
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            return {
                name: _example(properties[name], topic, definitions)
                for name in schema.get("required", ())
            }
        case "array":
            item = _example(schema.get("items", {}), topic, definitions)
            return [item] * schema.get("minItems", 0)
        case "integer" | "number":
            return schema.get("minimum", min(1, schema.get("maximum", 1)))
        case "boolean":
            return False
        case "null":
            return None
        case _:
            text = (topic or _TEXT)[: schema.get("maxLength", len(topic or _TEXT))]
            return text.ljust(schema.get("minLength", 0), ".")
