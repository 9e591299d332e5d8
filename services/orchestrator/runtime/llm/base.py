"""What all model adapters share: CrewAI's call protocol around one async stream."""

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, override

from pydantic import BaseModel, ConfigDict, PrivateAttr

from libs.crewspec.compiled import ModelDocument
from services.orchestrator.runtime.compat import (
    BaseAgent,
    BaseLLM,
    LLMCallType,
    Task,
    llm_call_context,
)
from services.orchestrator.runtime.llm.quota import Quota
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
        self, messages: list[ChatMessage], tools: list[dict[str, Any]], tap: TokenTap
    ) -> Completion:
        """Ask the model, give each piece of text to the tap, return the whole.

        Raises:
            LLMError: The call failed; retried already where that is right.

        """

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
        """One call of the model: text, or a list of tool calls."""
        del callbacks, available_functions, response_model
        formatted: list[ChatMessage] = [*map(dict, self._format_messages(messages))]
        with llm_call_context():
            # Without the messages: the bus would copy them, and keep them.
            self._emit_call_started_event(
                [], from_task=from_task, from_agent=from_agent
            )
            step = current_step.get()
            tap = _ignore if step is None else step.take_text
            try:
                async with self._quota.slot(self.get_input_tokens_count(formatted)):
                    completion = await self.complete(formatted, tools or [], tap)
            except BaseException as error:
                # A cancel too: the bus pairs each start with an end.
                self._emit_call_failed_event(
                    type(error).__name__, from_task=from_task, from_agent=from_agent
                )
                raise
            self._tell_completed(completion, from_task, from_agent)
        return list(completion.tool_calls) or completion.text

    def _tell_completed(
        self,
        completion: Completion,
        from_task: Task | None,
        from_agent: BaseAgent | None,
    ) -> None:
        usage = completion.usage
        self._emit_call_completed_event(
            response="",
            call_type=LLMCallType.TOOL_CALL
            if completion.tool_calls
            else LLMCallType.LLM_CALL,
            from_task=from_task,
            from_agent=from_agent,
            usage=None if usage is None else asdict(usage),
            finish_reason=completion.finish_reason,
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
        """An estimate: one token per four characters."""
        del tools, response_model
        if isinstance(messages, str):
            return (len(messages) + 3) // 4
        return sum(len(str(message.get("content") or "")) for message in messages) // 4
