"""Keeps a talk within its model's window: older turns are folded into a summary.

When the turns leave little room, some are folded after the reply, for the runs that
follow; the founder waits for nothing. Only what does not fit now is folded before
the reply, and where even that fails the oldest turns are left out of the prompt
(`llm/window.py`). Stored messages are never touched.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from typing import Final

import structlog

from services.orchestrator.engine import (
    Emit,
    HistoryMessage,
    RunPlan,
    SummaryUpdated,
    UsageTold,
)
from services.orchestrator.errors import LLMBadOutputError, LLMError
from services.orchestrator.runtime.llm.base import StreamingLLM
from services.orchestrator.runtime.llm.window import (
    answer_tokens,
    tokens_in,
)
from services.orchestrator.runtime.reply import SUGGESTION_REQUEST
from services.orchestrator.runtime.summary_limits import (
    KEPT,
    MANY_CHARACTERS,
    MANY_MESSAGES,
    MOST_CALLS_AFTER,
    MOST_CALLS_BEFORE,
    SECONDS_AFTER,
    SECONDS_BEFORE,
    TIGHT,
)
from services.orchestrator.runtime.summary_request import clean_summary, fold_request

__all__ = ["Folding"]

_logger = structlog.get_logger(__name__)

_MOST_SUMMARY_TOKENS: Final = 1_000
_SUMMARY_SHARE: Final = 8
_CHARACTERS_TO_A_TOKEN: Final = 3
_MESSAGE_TOKENS: Final = 6
_FRAME_TOKENS: Final = 150
_TOOL_TOKENS: Final = 250
"""What a tool's description and schema take, about."""

type _Turn = tuple[HistoryMessage, ...]


@dataclass(frozen=True, slots=True)
class _Room:
    """How the window is shared out, in tokens; `talk` may be none or less."""

    talk: int
    summary: int
    fold_input: int


class Folding:
    """The summary of one run's session, before and after the reply."""

    def __init__(
        self, plan: RunPlan, model_for: Callable[[str], StreamingLLM], emit: Emit
    ) -> None:
        self._plan = plan
        self._emit = emit
        self._model = model_for(_replying_model(plan))
        self._room = _room_of(plan, self._model)
        self._summary = plan.summary or ""
        self._has_failed = False

    async def make_room(self) -> RunPlan:
        """The plan with as much folded as must be for the reply to fit.

        Returns the plan as it is when all fits or when folding does not work out.
        """
        plan = self._plan
        if plan.backlog or _tokens(plan.history) <= self._room.talk:
            return plan
        await self._fold(
            self._turns_to_fold(plan.history), MOST_CALLS_BEFORE, SECONDS_BEFORE
        )
        return self._plan

    async def settle(self) -> None:
        """Fold for the runs to come when the room is tight; the reply is told.

        A cancel ends the folding and not the run: that has done its work.
        """
        if self._has_failed or not (turns := self._turns_for_later()):
            return
        folding = asyncio.create_task(
            self._fold(turns, MOST_CALLS_AFTER, SECONDS_AFTER)
        )
        try:
            await asyncio.wait((folding,))
        except asyncio.CancelledError:
            folding.cancel()
            await asyncio.wait((folding,))

    def _turns_for_later(self) -> list[_Turn]:
        plan = self._plan
        if plan.backlog:
            return list(_turns_of(plan.backlog))
        is_tight = (
            _tokens(plan.history) > self._room.talk * TIGHT
            or len(plan.history) > MANY_MESSAGES
            or sum(len(message.text) for message in plan.history) > MANY_CHARACTERS
        )
        return self._turns_to_fold(plan.history) if is_tight else []

    def _turns_to_fold(self, history: Sequence[HistoryMessage]) -> list[_Turn]:
        """The oldest turns, but for the newest that may be kept."""
        turns = list(_turns_of(history))
        tokens = self._room.talk * KEPT
        characters = MANY_CHARACTERS * KEPT
        messages = MANY_MESSAGES * KEPT
        last = len(turns)
        while last:
            turn = turns[last - 1]
            tokens -= _tokens(turn)
            characters -= sum(len(message.text) for message in turn)
            messages -= len(turn)
            if min(tokens, characters, messages) < 0:
                break
            last -= 1
        return turns[:last]

    async def _fold(self, turns: list[_Turn], most_calls: int, seconds: float) -> None:
        """Fold turns, oldest first, call by call; what was folded stays so."""
        prompt = self._plan.crew.summary_prompt
        if not prompt or self._room.fold_input <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                for part in self._parts(turns, most_calls):
                    await self._fold_part(prompt, part)
        except (LLMError, TimeoutError) as error:
            self._has_failed = True
            _logger.warning(
                "turns not folded",
                run_id=self._plan.run_id,
                code=getattr(error, "code", "llm_timeout"),
            )

    def _parts(self, turns: list[_Turn], most_calls: int) -> Iterator[list[_Turn]]:
        """As many turns to a call as the window takes."""
        part: list[_Turn] = []
        left = self._room.fold_input
        calls = 0
        for turn in turns:
            tokens = _tokens(turn)
            if part and tokens > left:
                yield part
                calls += 1
                part, left = [], self._room.fold_input
                if calls == most_calls:
                    return
            part.append(turn)
            left -= tokens
        if part:
            yield part

    async def _fold_part(self, prompt: str, part: list[_Turn]) -> None:
        messages = [message for turn in part for message in turn]
        room = self._room.fold_input * _CHARACTERS_TO_A_TOKEN // (2 * len(messages))
        completion = await self._model.write(
            fold_request(prompt, self._summary, messages, max(room, 200)),
            self._room.summary,
            founder_ref=self._plan.founder_ref,
        )
        if completion.usage is not None:
            self._emit(
                UsageTold(
                    model=self._model.document.name,
                    prompt_tokens=completion.usage.prompt_tokens,
                    completion_tokens=completion.usage.completion_tokens,
                )
            )
        text = clean_summary(
            completion.text, self._room.summary * _CHARACTERS_TO_A_TOKEN
        )
        if not text:
            raise LLMBadOutputError("the model folded turns into nothing")
        self._take(text, messages[-1].seq, len(messages))

    def _take(self, text: str, upto_seq: int, messages: int) -> None:
        self._summary = text
        self._plan = replace(
            self._plan,
            summary=text,
            history=tuple(m for m in self._plan.history if m.seq > upto_seq),
            backlog=tuple(m for m in self._plan.backlog if m.seq > upto_seq),
        )
        self._emit(SummaryUpdated(text=text, upto_seq=upto_seq))
        _logger.info(
            "turns folded",
            run_id=self._plan.run_id,
            messages=messages,
            characters=len(text),
        )


def _replying_model(plan: RunPlan) -> str:
    """The model of the agent whose task is the reply."""
    return plan.crew.agents[plan.crew.tasks[-1].agent].model


def _room_of(plan: RunPlan, model: StreamingLLM) -> _Room:
    document = model.document
    window = document.context_window
    summary = min(_MOST_SUMMARY_TOKENS, window // _SUMMARY_SHARE)
    fixed = _fixed_tokens(plan)
    asked = tokens_in(plan.message or "")
    fold_prompt = _pinned_tokens(plan.crew.summary_prompt) + 4 * _MESSAGE_TOKENS
    # The summary is read, written, and perhaps longer than it was asked to be.
    return _Room(
        talk=window - answer_tokens(document) - fixed - asked - summary,
        summary=summary,
        fold_input=window - fold_prompt - 2 * summary - summary // 2,
    )


def _fixed_tokens(plan: RunPlan) -> int:
    """What the reply's prompt takes besides the talk."""
    task = plan.crew.tasks[-1]
    agent = plan.crew.agents[task.agent]
    texts = [
        agent.role,
        agent.goal,
        agent.backstory,
        task.description,
        task.expected_output,
        SUGGESTION_REQUEST if task.suggestions else "",
    ]
    frame = _FRAME_TOKENS + _TOOL_TOKENS * len(agent.tools)
    return sum(map(_pinned_tokens, texts)) + frame


_pinned_tokens = lru_cache(maxsize=512)(tokens_in)
"""Texts of pinned revisions come again with every run."""


def _tokens(messages: Sequence[HistoryMessage]) -> int:
    return sum(tokens_in(message.text) + _MESSAGE_TOKENS for message in messages)


def _turns_of(messages: Sequence[HistoryMessage]) -> Iterator[_Turn]:
    """Messages by turn; what has no place cannot be folded, nor what follows it."""
    for seq, turn in groupby(messages, lambda message: message.seq):
        if not seq:
            return
        yield tuple(turn)
