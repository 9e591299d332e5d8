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
        self._tool_calls: dict[int, ToolCall] = {}
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
            if chunk.get("usage"):
                self._take_usage(chunk["usage"])
            choices = chunk.get("choices")
            return bool(choices) and self._take_choice(choices[0])
        except (AttributeError, KeyError, LookupError, TypeError, ValueError) as error:
            raise LLMBadOutputError(
                f"the provider of {self._model!r} sent something that is no answer"
            ) from error

    def completion(self) -> Completion:
        """The whole answer, once the stream has ended.

        Raises:
            LLMError: The stream was cut, or held nothing.

        """
        if not self.is_done and self._finish_reason is None:
            raise LLMUnavailableError(
                f"the provider of {self._model!r} broke off in the middle"
            )
        calls = [self._tool_calls[index] for index in sorted(self._tool_calls)]
        text = "".join(self._text)
        if not calls and not text.strip():
            raise LLMBadOutputError(f"the provider of {self._model!r} sent no text")
        return Completion(text, calls, self._usage, self._finish_reason)

    def _take_choice(self, choice: dict[str, Any]) -> bool:
        self._finish_reason = choice.get("finish_reason") or self._finish_reason
        delta = choice.get("delta") or choice.get("message") or {}
        calls = delta.get("tool_calls")
        if calls:
            for call in calls:
                self._take_tool_call(call)
        content = delta.get("content")
        if content:
            self._take_text(content)
        return bool(content or calls or delta.get("reasoning_content"))

    def _take_text(self, content: object) -> None:
        """Show a piece; half of a character waits for the other half.

        Servers that count in UTF-16 cut between the two.
        """
        if not isinstance(content, str):
            raise TypeError("content is not text")
        text = self._half + content
        self._half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
        text = _mended(text.removesuffix(self._half))
        if text:
            self._text.append(text)
            self._tap(text)

    def _take_tool_call(self, part: dict[str, Any]) -> None:
        index = part.get("index")
        if not isinstance(index, int):
            index = len(self._tool_calls)
        call = self._tool_calls.setdefault(
            index,
            {
                "id": f"call_{index}",
                "type": "function",
                "function": {"name": "", "arguments": ""},
            },
        )
        call["id"] = part.get("id") or call["id"]
        function = part.get("function") or {}
        call["function"]["name"] += _mended(function.get("name") or "")
        call["function"]["arguments"] += function.get("arguments") or ""

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
