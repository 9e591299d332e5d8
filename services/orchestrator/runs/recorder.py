"""From the engine's events to a run's log: tokens joined, nothing left open."""

import asyncio
from typing import Final

from services.orchestrator.engine import (
    EndStatus,
    EngineEvent,
    MessageDelta,
    MessageFinished,
    MessageStarted,
    StepFinished,
    StepStarted,
    ToolFinished,
    ToolStarted,
)
from services.orchestrator.pace import PACE
from services.orchestrator.runs.event_log import EventLog
from services.orchestrator.runs.events import MessageEnded, RunEvent, RunOutcome

__all__ = ["Recorder"]

_PAUSE: Final = 0.8
"""Of the pace: after a pause this long a piece is written at once."""


class Recorder:
    """Writes one run's events in order and ends it exactly once.

    A piece of text that follows a pause is written at once, with those that came
    in the same turn of the loop; faster ones are joined until the next moment of
    the common pace: on the way to the founder they share wake-ups, packets and
    commits. Any other event first flushes them.
    """

    def __init__(self, *, log: EventLog) -> None:
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._pending: list[str] = []
        self._pending_message = ""
        self._timer: asyncio.Handle | None = None
        self._written_at = float("-inf")
        self._lengths: dict[str, int] = {}
        self._open_steps: dict[str, tuple[StepStarted, float]] = {}
        self._open_tools: dict[str, float] = {}
        self._is_ended = False
        self.first_text_at: float | None = None

    def emit(self, event: EngineEvent) -> None:
        """Take an event of the engine; one that comes after the end is ignored."""
        if self._is_ended:
            return
        if isinstance(event, MessageDelta):
            self._join(event)
            return
        self._flush()
        self._log.append(self._tracked(event))

    def write(self, event: RunEvent) -> None:
        """Write an event of the run itself."""
        if not self._is_ended:
            self._flush()
            self._log.append(event)

    def end(self, outcome: RunOutcome, status: EndStatus) -> None:
        """Close what is open with a status, then write the terminal event.

        When the event cannot be written, call again with another.
        """
        if self._is_ended:
            return
        self._flush()
        now = self._loop.time()
        for message_id in list(self._lengths):
            self._log.append(self._tracked(MessageFinished(message_id, status)))
        while self._open_tools:
            call_id, begun = _pop_first(self._open_tools)
            self._log.append(ToolFinished(call_id, status, _milliseconds(now - begun)))
        while self._open_steps:
            _, (step, begun) = _pop_first(self._open_steps)
            duration_ms = _milliseconds(now - begun)
            self._log.append(StepFinished(step.step_id, step.task, status, duration_ms))
        self._log.append(outcome)
        self._is_ended = True
        self._log.close()

    def _tracked(self, event: EngineEvent) -> RunEvent:
        match event:
            case StepStarted():
                self._open_steps[event.step_id] = (event, self._loop.time())
            case StepFinished():
                self._open_steps.pop(event.step_id, None)
            case ToolStarted():
                self._open_tools[event.tool_call_id] = self._loop.time()
            case ToolFinished():
                self._open_tools.pop(event.tool_call_id, None)
            case MessageStarted():
                self._lengths[event.message_id] = 0
            case MessageFinished():
                length = self._lengths.pop(event.message_id, 0)
                return MessageEnded(event.message_id, event.status, length)
            case _:
                pass
        return event

    def _join(self, delta: MessageDelta) -> None:
        if not delta.text:
            return
        if self._pending and self._pending_message != delta.message_id:
            self._flush()
        now = self._loop.time()
        if self.first_text_at is None:
            self.first_text_at = now
        self._lengths[delta.message_id] = self._lengths.get(delta.message_id, 0) + len(
            delta.text
        )
        self._pending.append(delta.text)
        self._pending_message = delta.message_id
        if self._timer is not None:
            return
        if now - self._written_at >= _PAUSE * PACE.seconds:
            self._timer = self._loop.call_soon(self._flush)
        else:
            self._timer = self._loop.call_at(PACE.next_moment(now), self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pending:
            text = "".join(self._pending)
            self._pending.clear()
            self._written_at = self._loop.time()
            self._log.append(MessageDelta(self._pending_message, text))


def _pop_first[K, V](entries: dict[K, V]) -> tuple[K, V]:
    key = next(iter(entries))
    return key, entries.pop(key)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
