"""The bounds of a socket; docs/architecture/events.md tells them to clients."""

from dataclasses import dataclass

__all__ = ["OutboxSettings", "ReplaySettings", "SocketSettings"]


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    """How much may wait for a peer and for how long."""

    max_frames: int = 256
    max_bytes: int = 1024 * 1024
    heartbeat_seconds: float = 15
    stall_seconds: float = 30


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """How a stream is brought up to date."""

    page_size: int = 200
    max_events: int = 1_000
    """A cursor further behind than this begins with a snapshot."""


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """How one socket is treated."""

    outbox: OutboxSettings = OutboxSettings()
    replay: ReplaySettings = ReplaySettings()
    hello_seconds: float = 5
    max_frame_bytes: int = 128 * 1024
    max_streams: int = 64
    frames_per_second: float = 100
    burst_frames: int = 1_000
    """How many frames may come at once from a socket that was quiet before."""
    max_commands: int = 8
    """Commands of one socket carried out at a time; reading waits meanwhile."""
