"""A model without a model: the simulated coach behind the adapters' interface.

Deterministic by session, talk, seed and the process's salt, so a run that was
executed twice would show. It paces tokens as its document says and reports usage.

With `has_faults` a founder's message may hold `/fault:<name>` to see a failure
acted out: `401` refused key, `429` slow down, `500` provider down, `context` too
long, `stall` some words and then silence until the idle timeout, `cut` some words
and then a broken connection, `garbage` an answer that is none, `slow` a reply
that takes a minute.
"""

import asyncio
import json
import random
import re
from typing import Any, override

from pydantic import PrivateAttr

from libs.crewspec.compiled import ModelDocument, TaskOutput
from services.orchestrator.engine import Speaker
from services.orchestrator.errors import (
    LLMBadOutputError,
    LLMContextExceededError,
    LLMRateLimitedError,
    LLMTimeoutError,
    LLMUnauthorizedError,
    LLMUnavailableError,
)
from services.orchestrator.runtime.llm.base import (
    ChatMessage,
    Completion,
    StreamingLLM,
    TokenUsage,
)
from services.orchestrator.runtime.llm.simulation.coach import Talk, speak, take_notes
from services.orchestrator.runtime.llm.simulation.example import example_of
from services.orchestrator.runtime.llm.simulation.listening import quote
from services.orchestrator.runtime.llm.simulation.memory import fold_notes
from services.orchestrator.runtime.llm.simulation.tool_choice import choose_tool_call
from services.orchestrator.runtime.llm.window import tokens_of
from services.orchestrator.runtime.policies.tool_calls import data_of
from services.orchestrator.runtime.prompt import notes_in
from services.orchestrator.runtime.reply import MARKER
from services.orchestrator.runtime.scope import TokenTap, current_run, current_step
from services.orchestrator.runtime.summary_request import read_fold_request

__all__ = ["SimulatedLLM"]

_TOKEN = re.compile(r"\s*\S{1,8}|\s+$")
_FAULT = re.compile(r"/fault:(\w+)")
_FIRST_TOKEN_IN_TOKENS = 12
"""The first token takes as long as this many of the following ones."""
_TOKENS_BEFORE_FAULT = 8
_SLOW_TOKENS_PER_SECOND = 20
_SLOW_SECONDS = 60
_YIELD_EVERY = 16


class SimulatedLLM(StreamingLLM):
    """Plays the coach."""

    _salt: str = PrivateAttr()
    _generator_seed: int = PrivateAttr()
    _has_faults: bool = PrivateAttr()

    def __init__(
        self, document: ModelDocument, *, salt: str, seed: int, has_faults: bool
    ) -> None:
        super().__init__(document)
        self._salt = salt
        self._generator_seed = seed
        self._has_faults = has_faults

    @override
    async def complete(
        self,
        messages: list[ChatMessage],
        tools: list[dict[str, Any]],
        tap: TokenTap,
        *,
        max_tokens: int | None = None,
    ) -> Completion:
        """Answer as the coach would, or fold turns as it would take notes."""
        if current_run.get(None) is None and (asked := read_fold_request(messages)):
            return await self._fold(messages, *asked, max_tokens)
        talk = _talk_of(messages)
        rng = self._rng(talk)
        prompt_tokens = self.get_input_tokens_count(messages)
        fault = self._fault(talk)
        _raise_refusal(self.document.name, fault)
        call = choose_tool_call(talk, tools, rng)
        rate = float(max(1, self.document.tokens_per_second))
        if call is not None and fault is None:
            await asyncio.sleep(_FIRST_TOKEN_IN_TOKENS / rate)
            return Completion("", [call], TokenUsage(prompt_tokens, 16), "tool_calls")
        text = _compose(talk, rng, messages)
        if fault == "slow":
            rate = min(rate, _SLOW_TOKENS_PER_SECOND)
            text = _stretch(text, round(rate * _SLOW_SECONDS))
        tokens = _TOKEN.findall(text)
        if fault in {"stall", "cut"}:
            tokens = tokens[:_TOKENS_BEFORE_FAULT]
        await _pace(tokens, rate, tap)
        await self._break_off(fault)
        return Completion(text, (), TokenUsage(prompt_tokens, len(tokens)), "stop")

    async def _fold(
        self,
        messages: list[ChatMessage],
        notes: str,
        turns: list[tuple[Speaker, str]],
        max_tokens: int | None,
    ) -> Completion:
        """Fold at once: nobody reads along."""
        await asyncio.sleep(0)
        characters = (max_tokens or self.document.context_window) * 3
        text = fold_notes(notes, turns, characters)
        usage = TokenUsage(tokens_of(messages), len(_TOKEN.findall(text)))
        return Completion(text, (), usage, "stop")

    def _rng(self, talk: Talk) -> random.Random:
        run = current_run.get(None)
        session = run.plan.session_id if run else ""
        parts = (self._salt, self._generator_seed, session, talk)
        return random.Random(repr(parts))  # noqa: S311 - has to be repeatable

    def _fault(self, talk: Talk) -> str | None:
        found = _FAULT.search(talk.message or "") if self._has_faults else None
        return found[1] if found else None

    async def _break_off(self, fault: str | None) -> None:
        name = self.document.name
        match fault:
            case "stall":
                await asyncio.sleep(self.document.idle_timeout_seconds)
                raise LLMTimeoutError(f"the provider of {name!r} fell silent")
            case "cut":
                raise LLMUnavailableError(f"the provider of {name!r} broke off")
            case _:
                return


def _talk_of(messages: list[ChatMessage]) -> Talk:
    """What was said, as far as the messages tell.

    They end with the founder's turn and what the tools said; a run tells which
    words of that turn are the founder's.
    """
    tools = tuple(
        data_of(str(message.get("content") or ""))
        for message in messages
        if message["role"] == "tool"
    )
    said = [str(m["content"] or "") for m in messages if m["role"] == "user"]
    last = said.pop() if said else None
    run = current_run.get(None)
    return Talk(
        message=last if run is None else run.plan.message,
        earlier=tuple(said),
        coach=tuple(
            str(message["content"])
            for message in messages
            if message["role"] == "assistant" and message.get("content")
        ),
        summary=notes_in(messages),
        tool_results=tools,
    )


def _compose(talk: Talk, rng: random.Random, messages: list[ChatMessage]) -> str:
    step = current_step.get()
    if step is not None and step.shape is not None:
        topic = quote(talk.message or "")
        return json.dumps(example_of(step.shape.json_schema(), topic))
    if step is not None and step.task.output is TaskOutput.INTERNAL:
        return take_notes(talk)
    turn = speak(talk, rng)
    wants_replies = any(MARKER in str(message["content"]) for message in messages)
    if not wants_replies:
        return turn.text
    return "\n".join((turn.text, "", MARKER, *turn.replies))


def _stretch(text: str, tokens: int) -> str:
    """The text, again and again, until it is long enough."""
    body, _, _ = text.partition(MARKER)
    once = max(1, len(_TOKEN.findall(body)))
    return "\n\n".join([body.strip()] * (tokens // once + 1))


async def _pace(tokens: list[str], rate: float, tap: TokenTap) -> None:
    """Give the tokens at a steady rate, the first one after a pause."""
    loop = asyncio.get_running_loop()
    due = loop.time() + _FIRST_TOKEN_IN_TOKENS / rate
    for index, token in enumerate(tokens):
        wait = due - loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
        elif not index % _YIELD_EVERY:
            await asyncio.sleep(0)
        tap(token)
        due += 1 / rate


def _raise_refusal(model: str, fault: str | None) -> None:
    """Act out the faults that come before any word."""
    provider = f"the provider of {model!r}"
    match fault:
        case "401":
            raise LLMUnauthorizedError(f"{provider} refused the key")
        case "429":
            raise LLMRateLimitedError(
                f"{provider} asks to slow down", retry_after_ms=2_000
            )
        case "500":
            raise LLMUnavailableError(f"{provider} answered with status 500")
        case "context":
            raise LLMContextExceededError(f"the talk is too long for {model!r}")
        case "garbage":
            raise LLMBadOutputError(f"{provider} sent something that is no answer")
        case _:
            return
