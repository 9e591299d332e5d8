"""What all model adapters share: CrewAI's call protocol around one async stream."""

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, override

from pydantic import BaseModel, ConfigDict, PrivateAttr

from libs.crewspec.compiled import ModelDocument
from services.orchestrator.engine import UsageTold
from services.orchestrator.runtime.compat import (
    BaseAgent,
    BaseLLM,
    Task,
)
from services.orchestrator.runtime.llm.model_call import measured
from services.orchestrator.runtime.llm.quota import Quota
from services.orchestrator.runtime.llm.window import fitted, tokens_in, tokens_of
from services.orchestrator.runtime.scope import TokenTap, current_run, current_step

__all__ = ["ChatMessage", "Completion", "StreamingLLM", "TokenUsage", "ToolCall"]

ChatMessage = dict[str, Any]
"""A message as OpenAI's chat completions shape it."""

ToolCall = dict[str, Any]
"""`{"id", "type": "function", "function": {"name", "arguments"}}`."""


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens of one call."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Completion:
    """What a call came to: text, or calls of tools."""

    text: str
    tool_calls: Sequence[ToolCall] = ()
    usage: TokenUsage | None = None
    finish_reason: str | None = None


def _ignore(_piece: str) -> None:
    """Drop a piece: nobody listens."""


@dataclass(frozen=True, slots=True)
class _Request:
    """One call, its prompt fitted to the window already."""

    founder_ref: str
    messages: list[ChatMessage]
    prompt_tokens: int
    max_tokens: int | None
    tools: list[dict[str, Any]] = field(default_factory=list)
    tap: TokenTap = _ignore


class StreamingLLM(BaseLLM):
    """A model whose tokens bypass the event bus.

    Subclasses implement `complete`. One object serves all runs of a process at
    once; it keeps no state of a call.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    _document: ModelDocument = PrivateAttr()
    _quota: Quota = PrivateAttr()

    def __init__(self, document: ModelDocument) -> None:
        super().__init__(
            model=document.model,
            provider=document.provider.value,
            llm_type=document.provider.value,
        )
        self._document = document
        self._quota = Quota(document)

    @classmethod
    @override
    def _wrap_call_method(cls, method_name: str) -> None:
        """Leave out CrewAI's own retry: it repeats calls that streamed already."""

    @property
    def document(self) -> ModelDocument:
        """The live document this adapter was made from."""
        return self._document

    @abstractmethod
    async def complete(
        self,
        messages: list[ChatMessage],
        tools: list[dict[str, Any]],
        tap: TokenTap,
        *,
        max_tokens: int | None = None,
    ) -> Completion:
        """Ask the model, give each piece of text to the tap, return the whole.

        `max_tokens` bounds the answer in place of the document's bound.

        Raises:
            LLMError: The call failed; retried already where that is right.

        """

    async def write(
        self, messages: list[ChatMessage], max_tokens: int, *, founder_ref: str
    ) -> Completion:
        """Ask for text nobody is shown, outside any step.

        Raises:
            LLMError: The call failed.

        """
        return await self._in_turn(
            _Request(
                founder_ref=founder_ref,
                messages=messages,
                prompt_tokens=tokens_of(messages),
                max_tokens=max_tokens,
            )
        )

    async def _in_turn(self, request: "_Request") -> Completion:
        """Complete within the quota, and tell it what was used."""
        async with self._quota.slot(request.founder_ref, request.prompt_tokens) as slot:
            completion = await self._measured(request)
            if (usage := completion.usage) is not None:
                slot.used_tokens = usage.prompt_tokens + usage.completion_tokens
        return completion

    async def _measured(self, request: "_Request") -> Completion:
        """Complete, and tell whoever observes the run what it came to."""
        max_tokens = request.max_tokens
        if max_tokens is not None:
            left = self._document.context_window - request.prompt_tokens
            max_tokens = max(1, min(max_tokens, left))
        with measured(self._document, request.messages) as call:
            completion = await self.complete(
                request.messages, request.tools, request.tap, max_tokens=max_tokens
            )
            call.output = completion.text
            call.finish_reason = completion.finish_reason or ""
            if completion.usage is not None:
                call.prompt_tokens = completion.usage.prompt_tokens
                call.completion_tokens = completion.usage.completion_tokens
        return completion

    async def aclose(self) -> None:
        """Close connections; the default has none."""

    @override
    async def acall(
        self,
        messages: Any,
        tools: list[dict[str, Any]] | None = None,
        callbacks: list[Any] | None = None,
        available_functions: dict[str, Any] | None = None,
        from_task: Task | None = None,
        from_agent: BaseAgent | None = None,
        response_model: type[BaseModel] | None = None,
    ) -> str | list[ToolCall]:
        """One call of the model: text, or a list of tool calls.

        CrewAI's event bus hears nothing of it: nobody listens there.
        """
        del callbacks, available_functions, from_task, from_agent, response_model
        formatted: list[ChatMessage] = [*map(dict, self._format_messages(messages))]
        step = current_step.get()
        tap = _ignore if step is None else step.take_text
        most, founder_ref = self._document.max_output_tokens, ""
        if step is not None:
            founder_ref = step.run.plan.founder_ref
            most = step.run.budget.most_tokens(most)
        sent, tokens = fitted(formatted, tools or [], self._document)
        completion = await self._in_turn(
            _Request(founder_ref, sent, tokens, most, tools or [], tap)
        )
        run = current_run.get(None)
        if run is not None:
            run.note_call(self._told(completion.usage), completion.finish_reason)
        return list(completion.tool_calls) or completion.text

    def _told(self, usage: TokenUsage | None) -> UsageTold | None:
        if usage is None:
            return None
        return UsageTold(
            model=self._document.name,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
        )

    @override
    def call(self, messages: Any, *args: Any, **kwargs: Any) -> str | list[ToolCall]:
        """Call from a thread; the stream runs on the loop of the run."""
        run = current_run.get(None)
        asking = self.acall(messages, *args, **kwargs)
        if run is None:
            return asyncio.run(asking)
        return asyncio.run_coroutine_threadsafe(asking, run.loop).result()

    @override
    def _emit_stream_chunk_event(self, chunk: str, *_: Any, **__: Any) -> None:
        """Give a chunk to the run's tap instead of the bus."""
        step = current_step.get()
        if step is not None:
            step.take_text(chunk)

    def supports_function_calling(self) -> bool:
        """Native tool calls only; tools described in prose are refused."""
        return True

    @override
    def supports_stop_words(self) -> bool:
        """None are sent: they belong to tool calls in prose."""
        return False

    @override
    def get_context_window_size(self) -> int:
        """The window the document states."""
        return self._document.context_window

    @override
    def get_input_tokens_count(
        self,
        messages: Any,
        tools: list[dict[str, Any]] | None = None,
        response_model: type[BaseModel] | None = None,
    ) -> int:
        """An estimate that is rather too high."""
        del response_model
        if isinstance(messages, str):
            return tokens_in(messages)
        return tokens_of(messages, tools or [])
