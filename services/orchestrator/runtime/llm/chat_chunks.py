"""OpenAI's streamed chat completion, chunk by chunk, into one completion."""

import json
from typing import Any

from pydantic_core import from_json

from services.orchestrator.errors import LLMBadOutputError, LLMUnavailableError
from services.orchestrator.runtime.llm.base import Completion, TokenUsage, ToolCall
from services.orchestrator.runtime.llm.provider_errors import error_from_event
from services.orchestrator.runtime.scope import TokenTap

__all__ = ["ChatCompletionReader"]

_DONE = b"[DONE]"
_MAX_TOKENS = 2**32 - 1
"""As much as a run's events can tell."""
_MAX_CHARACTERS = 2_000_000
"""More than any honest answer has; a run's policy allows less."""
_CHARACTERS_OF_A_PART = 50
"""What each part of a tool call counts for besides its text."""


class ChatCompletionReader:
    """Takes the data of each event; gives text to the tap as it comes.

    `take` returns True when the event carried something of the answer: text, a
    tool call or a thought. Such an answer is never asked for again.
    """

    def __init__(self, model: str, tap: TokenTap) -> None:
        self._model = model
        self._tap = tap
        self._text: list[str] = []
        self._half = ""
        self._characters = 0
        self._tool_calls: dict[int, dict[str, Any]] = {}
        self._usage: TokenUsage | None = None
        self._finish_reason: str | None = None
        self.is_done = False

    def take(self, data: bytes) -> bool:
        """Take one event.

        Raises:
            LLMError: It is not a chunk, or it tells of a failure.

        """
        if data == _DONE:
            self.is_done = True
            return False
        try:
            chunk = _parsed(data)
            if chunk.get("error"):
                raise error_from_event(self._model, chunk["error"])
            if isinstance(chunk.get("usage"), dict):
                self._take_usage(chunk["usage"])
            choices = chunk.get("choices")
            return bool(choices) and self._take_choice(choices[0])
        except (
            AttributeError,
            LookupError,
            RecursionError,
            TypeError,
            ValueError,
        ) as error:
            raise LLMBadOutputError(
                f"the provider of {self._model!r} sent something that is no answer"
            ) from error

    @property
    def is_whole(self) -> bool:
        """Whether the provider said that the answer has ended."""
        return self.is_done or self._finish_reason is not None

    def completion(self) -> Completion:
        """The whole answer, once the stream has ended.

        Raises:
            LLMError: The stream was cut, or held nothing.

        """
        provider = f"the provider of {self._model!r}"
        if not self.is_whole:
            raise LLMUnavailableError(f"{provider} broke off in the middle")
        match self._finish_reason:
            case "error":
                raise LLMUnavailableError(f"{provider} failed while it answered")
            case "content_filter":
                raise LLMBadOutputError(f"{provider} stopped the answer by a filter")
            case _:
                calls = self._whole_calls()
        text = "".join(self._text)
        if not calls and not text.strip():
            raise LLMBadOutputError(f"{provider} sent no text")
        return Completion(text, calls, self._usage, self._finish_reason)

    def _take_choice(self, choice: dict[str, Any]) -> bool:
        self._finish_reason = choice.get("finish_reason") or self._finish_reason
        delta = choice.get("delta") or choice.get("message") or {}
        calls = delta.get("tool_calls")
        if calls:
            for call in calls:
                self._take_tool_call(call)
        # What a model says when it refuses is what it says.
        content = delta.get("content") or delta.get("refusal")
        if content:
            self._take_text(content)
        return bool(content or calls or delta.get("reasoning_content"))

    def _take_text(self, content: object) -> None:
        """Show a piece; half of a character waits for the other half.

        Servers that count in UTF-16 cut between the two.
        """
        if not isinstance(content, str):
            raise TypeError("content is not text")
        self._count(len(content))
        text = self._half + content
        self._half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
        text = _mended(text.removesuffix(self._half))
        if text:
            self._text.append(text)
            self._tap(text)

    def _take_tool_call(self, part: dict[str, Any]) -> None:
        call = self._tool_calls.setdefault(
            self._index_of(part), {"id": "", "name": [], "arguments": []}
        )
        function = part.get("function") or {}
        name, arguments = function.get("name") or "", function.get("arguments") or ""
        if isinstance(arguments, dict):
            arguments = json.dumps(arguments)
        if not isinstance(name, str) or not isinstance(arguments, str):
            raise TypeError("a tool call is not text")
        self._count(len(name) + len(arguments) + _CHARACTERS_OF_A_PART)
        call["id"] = call["id"] or str(part.get("id") or "")
        call["name"].append(name)
        call["arguments"].append(arguments)

    def _index_of(self, part: dict[str, Any]) -> int:
        """Which call a part belongs to; without a number, by its id."""
        index = part.get("index")
        if isinstance(index, int):
            return index
        last = max(self._tool_calls, default=-1)
        part_id = part.get("id")
        if not part_id and self._tool_calls:
            return last
        for known, call in self._tool_calls.items():
            if part_id and call["id"] == part_id:
                return known
        return last + 1

    def _whole_calls(self) -> list[ToolCall]:
        """The calls in the order of their numbers, each with an id of its own."""
        found: dict[str, ToolCall] = {}
        for index in sorted(self._tool_calls):
            call = self._tool_calls[index]
            call_id = call["id"] or f"call_{index}"
            while call_id in found:
                call_id += f"_{index}"
            found[call_id] = {
                "id": call_id,
                "type": "function",
                "function": {
                    "name": _mended("".join(call["name"])),
                    "arguments": "".join(call["arguments"]),
                },
            }
        return list(found.values())

    def _count(self, characters: int) -> None:
        self._characters += characters
        if self._characters > _MAX_CHARACTERS:
            raise ValueError("the answer never ends")

    def _take_usage(self, usage: dict[str, Any]) -> None:
        self._usage = TokenUsage(
            prompt_tokens=_tokens(usage.get("prompt_tokens")),
            completion_tokens=_tokens(usage.get("completion_tokens")),
        )


def _parsed(data: bytes) -> Any:  # noqa: ANN401 - whatever the provider sent
    try:
        return from_json(data)
    except ValueError:
        return json.loads(data)  # slower, but takes halves of characters


def _mended(text: str) -> str:
    """The text with its halves of characters joined, or replaced when alone."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _tokens(told: object) -> int:
    """A number of tokens; what is none counts as 0, for the answer is good."""
    return min(max(0, told), _MAX_TOKENS) if isinstance(told, int) else 0
