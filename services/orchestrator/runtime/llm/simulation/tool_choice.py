"""Which tool the simulated coach calls, and with what."""

import json
import random
from typing import Any

from services.agents.coaching_assistant.frameworks import FRAMEWORKS, find_framework
from services.orchestrator.runtime.llm.base import ToolCall
from services.orchestrator.runtime.llm.simulation.coach import Talk, next_move
from services.orchestrator.runtime.llm.simulation.listening import (
    asks_for_name,
    is_farewell,
    quote,
    words_of,
)
from services.orchestrator.runtime.llm.simulation.moves import MOVES

__all__ = ["choose_tool_call"]

_ONE_IN = 6
_MAX_STRING = 100
_WANTED_BY = {
    "explain_framework": {"framework", "canvas", "mom", "jobs", "economics", "method"},
    "interview_questions": {"interview", "interviews", "questions", "ask"},
    "pain_gaps": {"missing", "gaps", "unknown", "forgot"},
}
_PAIN_FIELDS = {
    "last_time": "description",
    "frequency": "frequency",
    "severity": "severity",
    "who_else": "who_else",
    "workarounds": "workarounds",
    "willingness_to_pay": "willingness_to_pay",
}
_QUESTIONS = {move.name: move.questions for move in MOVES}


def choose_tool_call(
    talk: Talk, tools: list[dict[str, Any]], rng: random.Random
) -> ToolCall | None:
    """A call when the founder's words ask for one, and now and then otherwise."""
    if talk.message is None or talk.tool_results or not tools:
        return None
    if is_farewell(talk.message) or asks_for_name(talk.message):
        return None
    words = set(words_of(talk.message))
    functions = {tool["function"]["name"]: tool["function"] for tool in tools}
    wanted = [name for name in functions if words & _WANTED_BY.get(name, set())]
    if not wanted and rng.randrange(_ONE_IN):
        return None
    name = (wanted or sorted(functions))[0]
    arguments = _known_arguments(name, talk) or _arguments(functions[name], talk)
    return {
        "id": f"call_{rng.randrange(16**8):08x}",
        "type": "function",
        "function": {"name": name, "arguments": json.dumps(arguments)},
    }


def _known_arguments(name: str, talk: Talk) -> dict[str, Any] | None:
    """What the coaching assistant's own tools are best asked."""
    match name:
        case "explain_framework":
            return {"topic": _framework_in_need(talk)}
        case "interview_questions":
            story = next((text for text in talk.earlier if quote(text)), talk.message)
            return {
                "audience": "people who have the same trouble",
                "problem": quote(story or "") or "this frustration",
            }
        case "pain_gaps":
            asked = " ".join(talk.coach)
            known = [
                field
                for move, field in _PAIN_FIELDS.items()
                if any(question in asked for question in _QUESTIONS[move])
            ]
            return {"known": known}
        case _:
            return None


def _framework_in_need(talk: Talk) -> str:
    """What the founder named, else what comes next, else what is new."""
    named = find_framework(talk.message or "")
    if named is not None:
        return named.name
    said = " ".join(talk.coach)
    upcoming = next_move(talk).framework
    if upcoming is not None and upcoming not in said:
        return upcoming
    return next(
        (item for item in FRAMEWORKS if item.name not in said), FRAMEWORKS[0]
    ).name


def _arguments(function: dict[str, Any], talk: Talk) -> dict[str, Any]:
    """Values any tool accepts: the topic for text, the first choice elsewhere."""
    schema = function.get("parameters") or {}
    definitions = schema.get("$defs", {})
    topic = quote(talk.message or "")
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
