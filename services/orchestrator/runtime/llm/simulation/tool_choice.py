"""Which tool the simulated coach calls, and with what."""

import json
import random
from typing import Any

from services.orchestrator.runtime.llm.base import ToolCall
from services.orchestrator.runtime.llm.simulation.coach import Talk
from services.orchestrator.runtime.llm.simulation.listening import quote, words_of

__all__ = ["choose_tool_call"]

_ONE_IN = 6
_MAX_STRING = 100
_WANTED_BY = {
    "explain_framework": {"framework", "canvas", "mom", "jobs", "economics", "method"},
    "interview_questions": {"interview", "interviews", "questions", "ask"},
    "pain_gaps": {"missing", "gaps", "unknown", "forgot"},
}


def choose_tool_call(
    talk: Talk, tools: list[dict[str, Any]], rng: random.Random
) -> ToolCall | None:
    """A call when the founder's words ask for one, and now and then otherwise."""
    if talk.message is None or talk.tool_results or not tools:
        return None
    words = set(words_of(talk.message))
    functions = {tool["function"]["name"]: tool["function"] for tool in tools}
    wanted = [name for name in functions if words & _WANTED_BY.get(name, set())]
    if not wanted and rng.randrange(_ONE_IN):
        return None
    function = functions[(wanted or sorted(functions))[0]]
    arguments = _arguments(function.get("parameters") or {}, quote(talk.message))
    return {
        "id": f"call_{rng.randrange(16**8):08x}",
        "type": "function",
        "function": {"name": function["name"], "arguments": json.dumps(arguments)},
    }


def _arguments(schema: dict[str, Any], topic: str) -> dict[str, Any]:
    """Values a tool accepts: the topic for text, the first choice elsewhere."""
    definitions = schema.get("$defs", {})
    return {
        name: _value(field, topic, definitions)
        for name, field in schema.get("properties", {}).items()
        if name in schema.get("required", ())
    }


def _value(field: dict[str, Any], topic: str, definitions: dict[str, Any]) -> object:
    if "$ref" in field:
        field = definitions.get(field["$ref"].rpartition("/")[2], {})
    if field.get("enum"):
        return field["enum"][0]
    match field.get("type"):
        case "array":
            return [_value(field.get("items", {}), topic, definitions)]
        case "integer" | "number":
            return field.get("minimum", 1)
        case "boolean":
            return True
        case "object":
            return {}
        case _:
            return (topic or "a frustration")[:_MAX_STRING]
