"""One reader of one stream: brought up to date first, then told as it happens.

While it is brought up to date a subscription remembers only the highest
sequence number it was offered. It turns live in the same step of the event loop
in which everything offered or stored is found to be sent, so that nothing is
missed, nothing comes twice, and nothing has to be kept for a slow reader.
"""

from typing import Protocol

from services.api_gateway.errors import StreamUnknownError
from services.api_gateway.fanout import Fanout, LoggedEvent
from services.api_gateway.socket.settings import ReplaySettings
from services.api_gateway.store import LogPage, Snapshot
from services.api_gateway.wire.frames import (
    FounderSnapshot,
    FounderSnapshotFrame,
    SessionSnapshot,
    SessionSnapshotFrame,
)

__all__ = ["Sink", "StreamLog", "Subscription"]

_MAX_SEQ = 2**63 - 1


class StreamLog(Protocol):
    """What following a stream needs of the store."""

    @property
    def epoch(self) -> str:
        """Identifies this life of the database."""

    async def owns_stream(self, founder_id: str, stream: str) -> bool:
        """Whether the stream exists and is the founder's."""

    async def log_page(self, stream: str, after_seq: int, limit: int) -> LogPage:
        """Events after a cursor; an unknown stream has none and `last_seq` 0."""

    async def snapshot(self, stream: str) -> Snapshot:
        """The stream's state now; raises `StreamUnknownError`."""


class Sink(Protocol):
    """Where a subscription puts what it reads.

    The `send` methods wait for the peer, the others never block; both send in
    the order of the calls. They raise `OSError` when the peer is gone.
    """

    async def send_event(self, event: LoggedEvent) -> None:
        """Send an event of the past."""

    async def send_snapshot(
        self, frame: SessionSnapshotFrame | FounderSnapshotFrame
    ) -> None:
        """Send a state that replaces what the peer has."""

    def put_live(self, stream: str, seq: int) -> None:
        """Say that everything up to `seq` was sent."""

    def put_event(self, event: LoggedEvent) -> None:
        """Send an event as it happens."""

    def put_ended(self, stream: str) -> None:
        """Say that the stream is gone."""


class Subscription:
    """Follows one stream from a cursor on, or from a snapshot."""

    def __init__(
        self,
        *,
        stream: str,
        after_seq: int | None,
        epoch: str | None,
        store: StreamLog,
        fanout: Fanout,
        sink: Sink,
        settings: ReplaySettings,
    ) -> None:
        """Follow `stream` after `after_seq`.

        No cursor, one of another epoch or one that no log can reach begins with a
        snapshot. Without an epoch the cursor is believed.
        """
        self.stream = stream
        is_foreign = epoch is not None and epoch != store.epoch
        is_beyond = after_seq is not None and after_seq > _MAX_SEQ
        self._cursor = None if is_foreign or is_beyond else after_seq
        self._store = store
        self._fanout = fanout
        self._sink = sink
        self._settings = settings
        self._is_fresh = self._cursor is not None
        self._offered_seq = 0
        self._is_live = False
        self._is_ended = False
        self._is_stopped = False
        self.replayed_events = 0
        self.snapshots = 0

    async def open(self, founder_id: str) -> None:
        """Begin to listen; raises `StreamUnknownError` unless it is the founder's."""
        # Attached before asking: a deletion in between is then heard of.
        self._fanout.attach(self.stream, self)
        is_owned = False
        try:
            is_owned = await self._store.owns_stream(founder_id, self.stream)
        finally:
            if not is_owned:
                self.stop()
        if not is_owned:
            raise StreamUnknownError(f"no stream {self.stream!r} of this founder")

    async def replay(self) -> None:
        """Send what the peer lacks and turn live; returns early when stopped.

        Raises `OSError` when the peer is gone, and what the store raises.
        """
        cursor = self._cursor
        if cursor is None:
            cursor = await self._send_snapshot()
        while not self._is_over():
            page = await self._store.log_page(
                self.stream, cursor, self._settings.page_size
            )
            if self._needs_snapshot(page, cursor):
                cursor = await self._send_snapshot()
                continue
            cursor = await self._send_page(page, cursor)
            # What is committed after the page was read is offered after now.
            if cursor >= max(page.last_seq, self._offered_seq) and not self._is_over():
                self._go_live(cursor)
                return
        if self._is_ended and not self._is_stopped:
            self._sink.put_ended(self.stream)

    def offer(self, event: LoggedEvent) -> None:
        """Take an event: sent when live, else only remembered."""
        if event.seq <= self._offered_seq:
            return
        self._offered_seq = event.seq
        if self._is_live:
            self._sink.put_event(event)

    def end(self, stream: str) -> None:
        """Take the news that the stream is gone."""
        self._is_ended = True
        if self._is_live:
            self._is_live = False
            self._sink.put_ended(stream)

    def stop(self) -> None:
        """Send nothing more."""
        self._is_stopped = True
        self._is_live = False
        self._fanout.detach(self.stream, self)

    def _needs_snapshot(self, page: LogPage, cursor: int) -> bool:
        if page.compacted_through > cursor:
            return True
        # Asked once: a slow reader that fell behind while replaying goes on.
        is_first, self._is_fresh = self._is_fresh, False
        behind = page.last_seq - cursor
        return is_first and not 0 <= behind <= self._settings.max_events

    async def _send_page(self, page: LogPage, cursor: int) -> int:
        for event in page.events:
            if self._is_over():
                break
            await self._sink.send_event(event)
            cursor = event.seq
            self.replayed_events += 1
        return cursor

    async def _send_snapshot(self) -> int:
        try:
            snapshot = await self._store.snapshot(self.stream)
        except StreamUnknownError:
            # Deleted since `open`; whether its end was told yet or not.
            self._is_ended = True
            return 0
        if not self._is_over():
            await self._sink.send_snapshot(_frame(snapshot, self._store.epoch))
            self.snapshots += 1
        return snapshot.seq

    def _go_live(self, cursor: int) -> None:
        self._offered_seq = cursor
        self._is_live = True
        self._sink.put_live(self.stream, cursor)

    def _is_over(self) -> bool:
        return self._is_ended or self._is_stopped


def _frame(
    snapshot: Snapshot, epoch: str
) -> SessionSnapshotFrame | FounderSnapshotFrame:
    match snapshot.data:
        case SessionSnapshot() as data:
            return SessionSnapshotFrame(
                stream=snapshot.stream, seq=snapshot.seq, epoch=epoch, data=data
            )
        case FounderSnapshot() as founder_data:
            return FounderSnapshotFrame(
                stream=snapshot.stream,
                seq=snapshot.seq,
                epoch=epoch,
                data=founder_data,
            )
