"""What fits a model's context window: estimated, and never exceeded.

No tokenizer is asked: every model has its own, and each would be a dependency. The
estimate is higher than what common ones count, so room is wasted rather than a
request refused or, by some servers, cut without a word.
"""

import json
from collections.abc import Sequence
from string import ascii_letters
from typing import Any, Final

from libs.crewspec.compiled import ModelDocument
from services.orchestrator.errors import LLMContextExceededError

__all__ = [
    "LEFT_OUT",
    "answer_tokens",
    "fitted",
    "tokens_in",
    "tokens_of",
    "without_oldest",
]

LEFT_OUT: Final = "(Earlier turns of this conversation are left out here.)"

_MESSAGE_TOKENS = 5
"""Role and delimiters of a message in common chat templates."""
_LEAST_ANSWER_TOKENS = 256
_ANSWER_SHARE = 4
_LETTERS: Final = f"{ascii_letters} ".encode()
_ASCII: Final = bytes(range(128))

type _Message = dict[str, Any]


def tokens_in(text: str) -> int:
    """At least as many tokens as common tokenizers make of a text.

    Three letters to a token, two digits or signs to three, two bytes of what is
    not ASCII to one.
    """
    data = text.encode("utf-8", "surrogatepass")
    dense = data.translate(None, _LETTERS)
    foreign = b"" if text.isascii() else dense.translate(None, _ASCII)
    letters, signs = len(data) - len(dense), len(dense) - len(foreign)
    return letters // 3 + signs * 2 // 3 + len(foreign) // 2 + 1


def tokens_of(
    messages: Sequence[_Message], tools: Sequence[dict[str, Any]] = ()
) -> int:
    """At least as many tokens as a request is for its model."""
    found = sum(map(_tokens_of_message, messages))
    return found + tokens_in(json.dumps(tools, ensure_ascii=False)) if tools else found


def answer_tokens(document: ModelDocument) -> int:
    """What of the window is kept for the answer: a quarter at most."""
    share = document.context_window // _ANSWER_SHARE
    return min(document.max_output_tokens or share, share)


def fitted(
    messages: list[_Message],
    tools: Sequence[dict[str, Any]],
    document: ModelDocument,
) -> tuple[list[_Message], int]:
    """The messages, without the oldest turns when they do not fit, and their tokens.

    Raises:
        LLMContextExceededError: The last turn alone does not fit.

    """
    window = document.context_window
    tokens = tokens_of(messages, tools)
    if tokens <= window - answer_tokens(document):
        return messages, tokens
    left = without_oldest(messages, tools, window - answer_tokens(document))
    tokens = tokens_of(left, tools)
    if tokens > window - _LEAST_ANSWER_TOKENS:
        raise LLMContextExceededError(
            f"what was said last does not fit the window of {document.name!r}"
        )
    return left, tokens


def without_oldest(
    messages: list[_Message], tools: Sequence[dict[str, Any]], limit: int
) -> list[_Message]:
    """As many of the messages as fit a limit, with a note that some are missing.

    Kept in any case: the system's message, and the founder's last with all that
    follows it.
    """
    head, talk, rest = _parted(messages)
    if not talk:
        return messages
    if head and LEFT_OUT not in head[0]["content"]:
        head = [{**head[0], "content": f"{head[0]['content']}\n\n{LEFT_OUT}"}]
    left = limit - tokens_of([*head, *rest], tools)
    first = len(talk)
    while first and (left := left - _tokens_of_message(talk[first - 1])) >= 0:
        first -= 1
    if not first:
        return messages
    while first < len(talk) and talk[first]["role"] == "assistant":
        first += 1
    return [*head, *talk[first:], *rest]


def _parted(
    messages: list[_Message],
) -> tuple[list[_Message], list[_Message], list[_Message]]:
    """The system's message, what may be dropped, and the turn that is answered."""
    start = 1 if messages and messages[0]["role"] == "system" else 0
    asked = [i for i, said in enumerate(messages) if said["role"] == "user"]
    last = max(start, asked[-1] if asked else start)
    return messages[:start], messages[start:last], messages[last:]


def _tokens_of_message(message: _Message) -> int:
    found = _MESSAGE_TOKENS + tokens_in(str(message.get("content") or ""))
    calls = message.get("tool_calls")
    return found + tokens_in(json.dumps(calls)) if calls else found
