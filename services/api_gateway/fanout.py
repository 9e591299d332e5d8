"""The port that carries committed events to every socket that follows a stream."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Fanout", "Listener", "LoggedEvent"]


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """A committed event; `frame` is its JSON text, made once for all readers."""

    stream: str
    seq: int
    type: str
    frame: str


class Listener(Protocol):
    """Somebody who follows a stream. Neither method blocks or raises."""

    def offer(self, event: LoggedEvent) -> None:
        """Take an event; events of one stream come in the order of `seq`."""

    def end(self, stream: str) -> None:
        """Take the news that the stream is gone."""


class Fanout(Protocol):
    """Publishes committed events; nothing uncommitted ever passes here."""

    def attach(self, stream: str, listener: Listener) -> None:
        """Let the listener follow the stream from the next event on."""

    def detach(self, stream: str, listener: Listener) -> None:
        """Stop following; unknown pairs are ignored."""

    def publish(self, events: Sequence[LoggedEvent]) -> None:
        """Hand events to the listeners of their streams, in order."""

    def end(self, stream: str) -> None:
        """Tell the stream's listeners that it is gone, and forget them."""
