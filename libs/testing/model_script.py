"""What the model server answers: text, tool calls and faults, all deterministic."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = [
    "FOLD_MARK",
    "Answer",
    "Fault",
    "ToolCall",
    "answer_to",
    "is_fold",
    "reply_tokens",
    "request_tokens",
]

_VOCABULARY = (
    "customer problem signal habit price week month buyer churn proof test idea "
    "market margin pilot launch story friend survey answer risk queue team reason "
    "student kitchen garden ledger parcel ticket season budget choice doubt small "
    "early honest narrow urgent costly simple local weekly clear patient"
)
_SUGGESTIONS = ("\n\n[[suggestions]]\n", "Go on\n", "Tell me more\n")
_MARKER = re.compile(r"\[(fault|recall|seed|suggest|tool|tokens):([^\]\s]+)\]")
_FACT = re.compile(r"\bmy (\w+) is (\w+)")
_FOLD = '{"notes": '
_TOKEN = re.compile(r"\s?\w{1,4}|\s?[^\w\s]|\s")
FOLD_MARK = "FOLDED-NOTES"
"""Stands in every summary this model writes, and nowhere else."""


class Fault(StrEnum):
    """How a model call can go wrong."""

    UNAUTHORIZED = "401"
    RATE_LIMITED = "429"
    SERVER_ERROR = "500"
    CONTEXT_EXCEEDED = "context"
    STALL_FIRST = "stall-first"
    STALL_MIDWAY = "stall-midway"
    CUT_MIDWAY = "cut-midway"
    GARBAGE = "garbage"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool the model asks for."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request gets: tokens or a tool call, and perhaps a fault."""

    tokens: tuple[str, ...]
    tool_call: ToolCall | None
    fault: Fault | None
    prompt_tokens: int

    @property
    def text(self) -> str:
        """The whole reply."""
        return "".join(self.tokens)


def reply_tokens(seed: str, count: int) -> tuple[str, ...]:
    """Make `count` tokens of plain words that depend on the seed alone."""
    digest = hashlib.shake_256(seed.encode()).digest(count)
    vocabulary = _VOCABULARY.split()
    first, *middle, last = (vocabulary[byte % len(vocabulary)] for byte in digest)
    return (first.capitalize(), *(f" {word}" for word in middle), f" {last}.")


def answer_to(body: Mapping[str, Any], tokens: int) -> Answer:
    """Decide the answer to a chat completion request.

    The last founder's words may hold `[fault:<name>]`, `[tool:<name>]` (called
    once, if it is offered), `[seed:<text>]`, `[tokens:<count>]`,
    `[suggest:replies]` and `[recall:<thing>]`, which is answered with what the
    prompt says "my <thing> is"; the model's name may be `fault-<name>`. Asked to
    fold turns, it keeps those facts. Other text depends on the seed or, without
    one, on all messages.
    """
    messages: Sequence[Mapping[str, Any]] = body["messages"]
    last_said = _last_index(messages)
    markers = dict(_MARKER.findall(_text(messages[last_said])))
    seed = markers.get("seed") or json.dumps(messages, sort_keys=True)
    is_tool_done = any(said["role"] == "tool" for said in messages[last_said:])
    tool_call = None if is_tool_done else _tool_call(body, markers.get("tool"))
    count = max(2, int(markers.get("tokens", tokens)))
    suggestions = _SUGGESTIONS if "suggest" in markers else ()
    remembered = _remembered(messages, markers.get("recall"))
    return Answer(
        tokens=remembered or reply_tokens(seed, count) + suggestions,
        tool_call=tool_call,
        fault=_fault(str(body.get("model", "")), markers.get("fault")),
        prompt_tokens=sum(len(_text(message).split()) for message in messages),
    )


def is_fold(body: Mapping[str, Any]) -> bool:
    """Whether a request asks to fold turns into notes."""
    return _text(body["messages"][-1]).startswith(_FOLD)


def request_tokens(body: Mapping[str, Any]) -> int:
    """Tokens of a request's prompt, four letters each at most, and its answer."""
    prompt = [_text(message) for message in body["messages"]]
    prompt += [json.dumps(tool) for tool in body.get("tools") or ()]
    return sum(len(_TOKEN.findall(text)) for text in prompt) + int(
        body.get("max_tokens") or 0
    )


def _remembered(
    messages: Sequence[Mapping[str, Any]], thing: str | None
) -> tuple[str, ...]:
    said = "\n".join(_text(message) for message in messages).replace("\\n", "\n")
    facts = dict(_FACT.findall(said))
    if _text(messages[-1]).startswith(_FOLD):
        lines = [f"\nmy {name} is {value}" for name, value in facts.items()]
        return (FOLD_MARK, *lines)
    if thing is None:
        return ()
    known = facts.get(thing)
    return (f"Your {thing} ", f"is {known}." if known else "was never told.")


def _last_index(messages: Sequence[Mapping[str, Any]]) -> int:
    said = [index for index, each in enumerate(messages) if each["role"] == "user"]
    return said[-1] if said else 0


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(str(part.get("text", "")) for part in content)


def _tool_call(body: Mapping[str, Any], name: str | None) -> ToolCall | None:
    offered = [tool["function"]["name"] for tool in body.get("tools") or ()]
    if name is None or not offered:
        return None
    chosen = name if name in offered else offered[0]
    return ToolCall(call_id=f"call_{chosen}", name=chosen, arguments="{}")


def _fault(model: str, marker: str | None) -> Fault | None:
    named = marker or (model.removeprefix("fault-") if "fault-" in model else None)
    return None if named is None else Fault(named)
