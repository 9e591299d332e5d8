"""What waits to be sent to one peer: bounded, in order, never blocking."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from services.api_gateway.socket.settings import OutboxSettings

__all__ = ["Outbox"]

type Write = Callable[[str], Awaitable[None]]


class Outbox:
    """Sends frames to one peer.

    `put` takes live and control frames: what the peer does not take waits, and
    when too much waits `on_overflow` is called, once. `send` is for replays: it
    waits for the peer instead. `write` raises `OSError` when the peer is gone.
    A write that makes no progress for `stall_seconds` calls `on_stall`; when
    nothing was sent for `heartbeat_seconds`, `heartbeat` is.
    """

    def __init__(
        self,
        *,
        write: Write,
        heartbeat: str,
        on_overflow: Callable[[], None],
        on_stall: Callable[[], None],
        settings: OutboxSettings,
    ) -> None:
        self._write = write
        self._heartbeat = heartbeat
        self._on_overflow = on_overflow
        self._on_stall = on_stall
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._frames: deque[str] = deque()
        self._waiting_bytes = 0
        self._sender: asyncio.Task[None] | None = None
        self._writes = 0
        self._progress_at = self._loop.time()
        self._is_closed = False
        self._timer = self._loop.call_later(settings.heartbeat_seconds, self._watch)

    @property
    def waiting_frames(self) -> int:
        """How many frames wait."""
        return len(self._frames)

    def put(self, frame: str) -> None:
        """Send a frame as soon as the peer takes it; never blocks."""
        if self._is_closed:
            return
        self._frames.append(frame)
        self._waiting_bytes += _size(frame)
        if self._sender is None:
            # Started eagerly, it has written before `put` returns when it can.
            sender = asyncio.Task(
                self._send_waiting(), loop=self._loop, eager_start=True
            )
            if not sender.done():
                self._sender = sender
        elif (
            len(self._frames) > self._settings.max_frames
            or self._waiting_bytes > self._settings.max_bytes
        ):
            self.close()
            self._on_overflow()

    async def send(self, frame: str) -> None:
        """Write a frame past the queue, waiting for the peer.

        Raises `OSError` when the peer is gone.
        """
        if self._is_closed:
            raise ConnectionAbortedError
        if self._writes == 0:
            self._progress_at = self._loop.time()
        self._writes += 1
        try:
            await self._write(frame)
        finally:
            self._writes -= 1
        self._progress_at = self._loop.time()

    async def flush(self) -> None:
        """Wait until nothing waits, or the outbox is closed."""
        while self._sender is not None:
            await asyncio.wait([self._sender])

    def close(self) -> None:
        """Drop what waits and take no more."""
        if self._is_closed:
            return
        self._is_closed = True
        self._frames.clear()
        self._waiting_bytes = 0
        self._timer.cancel()
        if self._sender is not None:
            self._sender.cancel()

    async def _send_waiting(self) -> None:
        try:
            while self._frames:
                frame = self._frames.popleft()
                self._waiting_bytes -= _size(frame)
                await self.send(frame)
        except OSError:
            # The peer is gone; whoever reads from it is told.
            self.close()
        finally:
            self._sender = None

    def _watch(self) -> None:
        """Look after the peer: one timer a socket, moved on when it fires."""
        now = self._loop.time()
        idle_seconds = now - self._progress_at
        if self._writes and idle_seconds >= self._settings.stall_seconds:
            self.close()
            self._on_stall()
            return
        if not self._writes and idle_seconds >= self._settings.heartbeat_seconds:
            self.put(self._heartbeat)
        patience = (
            self._settings.stall_seconds
            if self._writes
            else self._settings.heartbeat_seconds
        )
        if not self._is_closed:
            self._timer = self._loop.call_at(
                max(self._progress_at + patience, now), self._watch
            )


def _size(frame: str) -> int:
    return len(frame) if frame.isascii() else len(frame.encode())
