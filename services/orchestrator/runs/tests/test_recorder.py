"""A run's events, from what the engine tells to what is kept."""

import asyncio

import pytest

from services.orchestrator.engine import (
    EndStatus,
    MessageDelta,
    MessageStarted,
    StepFinished,
    StepStarted,
    ToolFinished,
    ToolStarted,
)
from services.orchestrator.runs.event_log import EventLog
from services.orchestrator.runs.events import (
    MessageEnded,
    RunCancelled,
    RunEvent,
    RunFinished,
)
from services.orchestrator.runs.recorder import Recorder


class Notebook:
    """Encodes an event as its offset and keeps what it was."""

    def __init__(self) -> None:
        self.events: list[RunEvent] = []

    def __call__(self, offset: int, _at_ns: int, event: RunEvent) -> bytes:
        """Note the event."""
        self.events.append(event)
        return str(offset).encode()


@pytest.fixture
def notebook() -> Notebook:
    """Notes of one test."""
    return Notebook()


@pytest.fixture
async def recorder(notebook: Notebook) -> Recorder:
    """A recorder that writes into the notebook."""
    return Recorder(log=EventLog(encode=notebook, max_bytes=1_000))


async def test_what_the_engine_left_open_is_closed_before_the_terminal_event(
    recorder: Recorder, notebook: Notebook
) -> None:
    recorder.emit(StepStarted("s", "reply", "coach", "Thinking"))
    recorder.emit(ToolStarted("t", "s", "lookup", "Looking"))
    recorder.emit(MessageStarted("m", "coach"))
    recorder.emit(MessageDelta("m", "Hé"))
    recorder.emit(MessageDelta("m", "llo"))
    recorder.end(RunCancelled("founder"), EndStatus.CANCELLED)
    text, message, tool, step, terminal = notebook.events[3:]
    assert text == MessageDelta("m", "Héllo")
    assert message == MessageEnded("m", EndStatus.CANCELLED, 5)
    assert isinstance(tool, ToolFinished)
    assert isinstance(step, StepFinished)
    assert {tool.status, step.status} == {EndStatus.CANCELLED}
    assert terminal == RunCancelled("founder")


async def test_a_first_piece_waits_for_its_turn_of_the_loop_only(
    recorder: Recorder, notebook: Notebook
) -> None:
    recorder.emit(MessageDelta("m", "One"))
    recorder.emit(MessageDelta("m", " two"))
    await asyncio.sleep(0)
    recorder.emit(MessageDelta("m", " three"))
    await asyncio.sleep(0)
    assert notebook.events == [MessageDelta("m", "One two")]
    recorder.end(RunFinished(), EndStatus.COMPLETE)
    assert notebook.events[1] == MessageDelta("m", " three")


async def test_nothing_follows_the_terminal_event(
    recorder: Recorder, notebook: Notebook
) -> None:
    recorder.end(RunFinished(), EndStatus.FAILED)
    recorder.emit(MessageStarted("m", "coach"))
    recorder.emit(MessageDelta("m", "late"))
    recorder.end(RunCancelled("founder"), EndStatus.CANCELLED)
    assert notebook.events == [RunFinished()]


async def test_empty_pieces_are_left_out(
    recorder: Recorder, notebook: Notebook
) -> None:
    recorder.emit(MessageStarted("m", "coach"))
    recorder.emit(MessageDelta("m", ""))
    assert notebook.events == [MessageStarted("m", "coach")]
