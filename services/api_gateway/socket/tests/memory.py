"""A log, a founder's things and commands in memory, under a test's control."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

from starlette.requests import HTTPConnection

from libs.errors import VentureBotsError
from services.api_gateway.errors import (
    FounderUnknownError,
    StreamUnknownError,
    TooManySocketsError,
)
from services.api_gateway.fanout import Fanout, LoggedEvent
from services.api_gateway.store import LogPage, Snapshot
from services.api_gateway.wire.commands import Command, SendMessage
from services.api_gateway.wire.events import MessageDelta, MessageDeltaData
from services.api_gateway.wire.frames import AckFrame, FounderSnapshot

__all__ = [
    "FOUNDER",
    "AllPeers",
    "CountedSlots",
    "MemoryLog",
    "RecordingCommands",
    "RefusedError",
    "authenticate",
]

FOUNDER = str(uuid4())
BEARER = "Bearer founder"


def delta(stream: str, seq: int, text: str) -> LoggedEvent:
    """A committed piece of a reply."""
    event = MessageDelta(
        stream=stream,
        seq=seq,
        ts="2026-01-01T00:00:00.000Z",
        run_id="run",
        data=MessageDeltaData(message_id="message", text=text),
    )
    return LoggedEvent(stream, seq, event.type, event.model_dump_json())


@dataclass
class MemoryLog:
    """A store of streams; `read_gate` lets a test hold reads back."""

    fanout: Fanout
    epoch: str = "epoch-1"
    streams: dict[str, list[LoggedEvent]] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)
    compacted: dict[str, int] = field(default_factory=dict)
    failure: Exception | None = None
    page_reads: int = 0
    snapshots: int = 0
    before_read: Callable[[], None] = lambda: None

    def create(self, events: int = 0) -> str:
        """A new stream of the founder with so many events."""
        stream = f"session:{uuid4()}"
        self.streams[stream] = []
        for _ in range(events):
            self.append(stream)
        return stream

    def append(self, stream: str, text: str = "word ", count: int = 1) -> None:
        """Commit events, then publish them."""
        log = self.streams[stream]
        events = [delta(stream, len(log) + 1 + n, text) for n in range(count)]
        log.extend(events)
        self.fanout.publish(events)

    def delete(self, stream: str) -> None:
        """Commit the end of a stream, then publish it."""
        del self.streams[stream]
        self.fanout.end(stream)

    async def owns_stream(self, founder_id: str, stream: str) -> bool:
        """Whether the stream exists and is the founder's."""
        await asyncio.sleep(0)
        is_theirs = founder_id == FOUNDER and stream not in self.foreign
        return is_theirs and stream in self.streams

    async def log_page(self, stream: str, after_seq: int, limit: int) -> LogPage:
        """Events after a cursor, as they were when the read began."""
        self.page_reads += 1
        if self.failure is not None:
            raise self.failure
        log = self.streams.get(stream, [])
        page = LogPage(
            events=tuple(log[after_seq : after_seq + limit]),
            last_seq=len(log),
            compacted_through=self.compacted.get(stream, 0),
        )
        self.before_read()
        await asyncio.sleep(0)
        return page

    async def snapshot(self, stream: str) -> Snapshot:
        """The stream's state now."""
        self.snapshots += 1
        if stream not in self.streams:
            raise StreamUnknownError(stream)
        seq = len(self.streams[stream])
        self.before_read()
        await asyncio.sleep(0)
        data = FounderSnapshot(sessions=[], next_cursor=None)
        return Snapshot(stream=stream, seq=seq, data=data)


@dataclass
class RecordingCommands:
    """Carries out a message by appending to its session's stream."""

    log: MemoryLog
    gate: asyncio.Event | None = None
    executed: list[Command] = field(default_factory=list)
    active: int = 0
    most_active: int = 0
    error: Exception | None = None

    async def execute(self, founder_id: str, command: Command) -> AckFrame:
        """Carry out a command, when the gate is open."""
        assert founder_id == FOUNDER
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        try:
            if self.gate is not None:
                await self.gate.wait()
            if self.error is not None:
                raise self.error
        finally:
            self.active -= 1
        self.executed.append(command)
        seq = 1
        if isinstance(command, SendMessage):
            stream = f"session:{command.session_id}"
            self.log.append(stream, command.text)
            seq = len(self.log.streams[stream])
        return AckFrame(request_id=str(command.request_id), seq=seq)


class AllPeers:
    """Allows one origin."""

    def address(self, connection: HTTPConnection) -> str:
        """The client's address."""
        return connection.client.host if connection.client else ""

    def origin_is_allowed(self, connection: HTTPConnection) -> bool:
        """Whether the Origin sent is the one."""
        return connection.headers["origin"] == "https://coach.example"


class CountedSlots:
    """Counts sockets up to a limit."""

    def __init__(self, limit: int = 1_000) -> None:
        self.limit = limit
        self.taken = 0

    def acquire(self, founder_id: str, _address: str) -> None:
        """Take a slot."""
        if self.taken >= self.limit:
            raise TooManySocketsError(founder_id)
        self.taken += 1

    def release(self, _founder_id: str, _address: str) -> None:
        """Give a slot back."""
        self.taken -= 1


class RefusedError(VentureBotsError):
    """A refusal with everything a refusal can say."""

    code = "refused"
    retryable = True


async def authenticate(connection: HTTPConnection) -> str:
    """Know whoever sends the right token."""
    if connection.headers.get("authorization") != BEARER:
        raise FounderUnknownError("no token")
    return FOUNDER
