"""What the log of a stream tells, read once, event by event.

Of a text only its length and checksum are kept, so that the memory a stream takes
does not grow with what was said.
"""

import json
import sqlite3
from dataclasses import dataclass, field
from zlib import crc32

from services.api_gateway.wire.events import TERMINAL_TYPES

__all__ = ["MessageFold", "RunFold", "StreamFold", "TextFold", "fold_stream"]

_EVENTS = (
    "SELECT seq, type, run_id, run_offset, data FROM events"
    " WHERE stream = ? ORDER BY seq"
)


@dataclass(slots=True)
class TextFold:
    """A text's length in characters and its checksum."""

    length: int = 0
    checksum: int = 0

    def add(self, piece: str) -> None:
        """Append a piece."""
        self.length += len(piece)
        self.checksum = crc32(piece.encode(), self.checksum)

    @classmethod
    def of(cls, text: str) -> "TextFold":
        """Fold a whole text."""
        whole = cls()
        whole.add(text)
        return whole


@dataclass(slots=True)
class RunFold:
    """What the log of a session tells of one run."""

    created: int = 0
    started: int = 0
    terminals: list[str] = field(default_factory=list)
    last_offset: int = 0
    offsets: int = 0
    deltas: int = 0
    is_out_of_order: bool = False
    events_after_end: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def take(self, event: sqlite3.Row) -> None:
        """Read one of the run's events."""
        kind, offset = event["type"], event["run_offset"]
        if offset is not None:
            self.is_out_of_order |= offset <= self.last_offset
            self.last_offset = offset
            self.offsets += 1
        if self.terminals and (offset is not None or kind in TERMINAL_TYPES):
            self.events_after_end += 1
        if kind in TERMINAL_TYPES:
            self.terminals.append(kind)
        self.created += kind == "run.created"
        self.started += kind == "run.started"
        self.deltas += kind == "message.delta"


@dataclass(slots=True)
class MessageFold:
    """What the log of a session tells of one message."""

    run_id: str | None = None
    seq: int = 0
    is_accepted: bool = False
    is_started: bool = False
    copied: tuple[str, str] | None = None
    """Role and status of a copy, which a branch begins with."""
    request_id: str | None = None
    text: TextFold = field(default_factory=TextFold)
    ends: list[str] = field(default_factory=list)
    told_length: int = 0
    pieces_after_end: int = 0
    suggestions: object = field(default_factory=list)
    feedback: str = "none"


@dataclass(slots=True)
class StreamFold:
    """One stream's log: what is wrong with its numbers, and what it tells."""

    numbering: list[str] = field(default_factory=list)
    runs: dict[str, RunFold] = field(default_factory=dict)
    messages: dict[str, MessageFold] = field(default_factory=dict)
    title: str | None = None
    is_archived: bool = False
    is_pinned: bool = False

    def run(self, run_id: str) -> RunFold:
        """What is told of a run; asked for every event, so made only once."""
        run = self.runs.get(run_id)
        if run is None:
            run = self.runs[run_id] = RunFold()
        return run

    def message(self, message_id: str) -> MessageFold:
        """What is told of a message."""
        message = self.messages.get(message_id)
        if message is None:
            message = self.messages[message_id] = MessageFold()
        return message


def fold_stream(connection: sqlite3.Connection, stream: sqlite3.Row) -> StreamFold:
    """Read a stream's log from its beginning to its end."""
    fold = StreamFold()
    watermark, last_seq = stream["compacted_through"], 0
    is_session = stream["kind"] == "session"
    for event in connection.execute(_EVENTS, (stream["stream"],)):
        seq = event["seq"]
        if seq > watermark and seq != max(last_seq, watermark) + 1:
            fold.numbering.append(f"seq {seq} follows {max(last_seq, watermark)}")
        if seq <= watermark and not is_session:
            fold.numbering.append(f"seq {seq} is not above the watermark {watermark}")
        last_seq = seq
        if is_session:
            _take(fold, event)
    if max(last_seq, watermark) != stream["last_seq"]:
        fold.numbering.append(f"last seq is {last_seq}, told {stream['last_seq']}")
    if not 0 <= watermark <= stream["last_seq"]:
        fold.numbering.append(f"its watermark is {watermark}")
    return fold


def _take(fold: StreamFold, event: sqlite3.Row) -> None:
    run_id, kind = event["run_id"], event["type"]
    if run_id is not None:
        fold.run(run_id).take(event)
    match kind:
        case "usage":
            data = json.loads(event["data"])
            run = fold.run(run_id)
            run.prompt_tokens += data["prompt_tokens"]
            run.completion_tokens += data["completion_tokens"]
        case "session.created" | "session.updated":
            session = json.loads(event["data"])["session"]
            fold.title, fold.is_archived = session["title"], session["archived"]
            # Events of an older version do not tell of pins.
            fold.is_pinned = session.get("pinned", False)
        case (
            "message.accepted"
            | "message.copied"
            | "message.started"
            | "message.delta"
            | "message.finished"
            | "message.feedback"
            | "suggestions"
        ):
            data = json.loads(event["data"])
            data = data.get("message", data)
            message = fold.message(data["message_id"])
            _take_of_message(message, event, data)
        case _:
            pass


def _take_of_message(
    message: MessageFold, event: sqlite3.Row, data: dict[str, str]
) -> None:
    match event["type"]:
        case "message.accepted":
            message.is_accepted = True
            message.request_id = data["request_id"]
            message.run_id, message.seq = data["run_id"], event["seq"]
            message.text.add(data["text"])
        case "message.copied":
            message.copied = data["role"], data["status"]
            message.seq = event["seq"]
            message.text.add(data["text"])
        case "message.started":
            message.is_started = True
            message.run_id, message.seq = event["run_id"], event["seq"]
        case "message.delta":
            message.text.add(data["text"])
            message.pieces_after_end += bool(message.ends)
        case "message.finished":
            message.ends.append(data["status"])
            message.told_length = int(data["length"])
        case "message.feedback":
            message.feedback = data["value"]
        case "suggestions":
            message.suggestions = data["suggestions"]
        case _:
            pass
