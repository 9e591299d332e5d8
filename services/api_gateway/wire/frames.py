"""The frames of `WS /v1/socket`, subprotocol `vb.v1`, in both directions."""

from enum import IntEnum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from services.api_gateway.wire.base import Identifier, ViewModel, WireModel
from services.api_gateway.wire.commands import Command
from services.api_gateway.wire.events import Event
from services.api_gateway.wire.views import MessageView, RunView, SessionView

__all__ = [
    "SUBPROTOCOL",
    "AckFrame",
    "ClientFrame",
    "CloseCode",
    "ErrorFrame",
    "FounderSnapshot",
    "FounderSnapshotFrame",
    "Hello",
    "LiveFrame",
    "Ping",
    "PingFrame",
    "Pong",
    "PongFrame",
    "ServerFrame",
    "SessionSnapshot",
    "SessionSnapshotFrame",
    "StreamCursor",
    "StreamEndedFrame",
    "Subscribe",
    "Unsubscribe",
    "WelcomeFrame",
    "client_frame_adapter",
    "server_frame_adapter",
]

SUBPROTOCOL = "vb.v1"

StreamName = Annotated[str, Field(pattern=r"^(session|founder):[0-9a-f-]{36}$")]


class CloseCode(IntEnum):
    """Why the gateway closes a socket."""

    DRAINING = 1012
    UNAVAILABLE = 1013
    MALFORMED_FRAME = 4400
    NO_FOUNDER = 4401
    ORIGIN = 4403
    NO_HELLO = 4408
    RESYNC = 4409
    FRAME_TOO_LARGE = 4413
    TOO_MANY_SOCKETS = 4429
    TOO_MANY_FRAMES = 4430


class StreamCursor(WireModel):
    """A stream and the last sequence number the client has of it."""

    stream: StreamName
    after_seq: int | None = Field(
        default=None,
        ge=0,
        description="Exclusive; absent: begin with a snapshot.",
    )


class Hello(WireModel):
    """The first frame, within 5 s."""

    type: Literal["hello"]
    epoch: str | None = Field(default=None, max_length=64)
    streams: Annotated[list[StreamCursor], Field(max_length=64)] = []


class Subscribe(WireModel):
    """Follow more streams."""

    type: Literal["subscribe"]
    epoch: str | None = Field(default=None, max_length=64)
    streams: Annotated[list[StreamCursor], Field(min_length=1, max_length=64)]


class Unsubscribe(WireModel):
    """Follow streams no longer."""

    type: Literal["unsubscribe"]
    streams: Annotated[list[StreamName], Field(min_length=1, max_length=64)]


class Ping(WireModel):
    """Asks for a `pong`."""

    type: Literal["ping"]


class Pong(WireModel):
    """Answers a `ping`."""

    type: Literal["pong"]


ClientFrame = Annotated[
    Hello | Subscribe | Unsubscribe | Ping | Pong | Command,
    Field(discriminator="type"),
]


class WelcomeFrame(ViewModel):
    """Answers `hello`."""

    type: Literal["welcome"] = "welcome"
    epoch: str
    heartbeat_s: int


class LiveFrame(ViewModel):
    """All that was stored up to `seq` has been sent; what follows is live."""

    type: Literal["live"] = "live"
    stream: str
    seq: int


class SessionSnapshot(ViewModel):
    """A session as it stands: its last messages and the runs that matter."""

    session: SessionView
    messages: list[MessageView] = Field(description="The last 50, oldest first.")
    has_more: bool
    runs: list[RunView] = Field(
        description="Every run that is not over, oldest first, and the last one."
    )


class FounderSnapshot(ViewModel):
    """A founder's sessions that are not archived, pinned ones first."""

    sessions: list[SessionView]
    next_cursor: str | None


class SessionSnapshotFrame(ViewModel):
    """Replaces whatever the client has of a session's stream."""

    type: Literal["snapshot"] = "snapshot"
    kind: Literal["session"] = "session"
    stream: str
    seq: int
    epoch: str
    data: SessionSnapshot


class FounderSnapshotFrame(ViewModel):
    """Replaces whatever the client has of the founder's stream."""

    type: Literal["snapshot"] = "snapshot"
    kind: Literal["founder"] = "founder"
    stream: str
    seq: int
    epoch: str
    data: FounderSnapshot


class StreamEndedFrame(ViewModel):
    """The stream is gone; the subscription with it."""

    type: Literal["stream.ended"] = "stream.ended"
    stream: str
    reason: Literal["deleted"]


class AckFrame(ViewModel):
    """A command was carried out; the ids and `seq` it led to."""

    type: Literal["ack"] = "ack"
    request_id: str
    session_id: Identifier | None = None
    message_id: Identifier | None = None
    run_id: Identifier | None = None
    position: int | None = None
    seq: int


class ErrorFrame(ViewModel):
    """A frame or command was refused; nothing was changed by it."""

    type: Literal["error"] = "error"
    request_id: str | None = None
    stream: str | None = Field(default=None, description="A refused subscription.")
    code: str
    detail: str
    retryable: bool
    retry_after_ms: int | None = None


class PingFrame(ViewModel):
    """Sent when nothing else was for `heartbeat_s`."""

    type: Literal["ping"] = "ping"


class PongFrame(ViewModel):
    """Answers the client's `ping`."""

    type: Literal["pong"] = "pong"


SnapshotFrame = Annotated[
    SessionSnapshotFrame | FounderSnapshotFrame, Field(discriminator="kind")
]

ServerFrame = (
    WelcomeFrame
    | LiveFrame
    | SnapshotFrame
    | StreamEndedFrame
    | AckFrame
    | ErrorFrame
    | PingFrame
    | PongFrame
    | Event
)

client_frame_adapter: TypeAdapter[ClientFrame] = TypeAdapter(ClientFrame)
server_frame_adapter: TypeAdapter[ServerFrame] = TypeAdapter(ServerFrame)
