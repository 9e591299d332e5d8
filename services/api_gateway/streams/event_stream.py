"""A stream as server-sent events, for programs that only speak HTTP."""

import asyncio
from collections.abc import Mapping
from enum import StrEnum
from typing import override

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from libs.errors import VentureBotsError
from services.api_gateway.fanout import LoggedEvent
from services.api_gateway.socket.outbox import Outbox
from services.api_gateway.socket.protocol import Line, line_of
from services.api_gateway.socket.registry import ConnectionKind
from services.api_gateway.socket.services import LiveServices
from services.api_gateway.socket.subscription import Subscription
from services.api_gateway.wire.frames import (
    ErrorFrame,
    FounderSnapshotFrame,
    LiveFrame,
    SessionSnapshotFrame,
)

__all__ = ["EndReason", "EventStreamResponse"]

_logger = structlog.get_logger(__name__)

_HEARTBEAT = ": ping\n\n"
_END_SECONDS = 5.0
_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    # Proxies that buffer would hold events back.
    "X-Accel-Buffering": "no",
}


class EndReason(StrEnum):
    """Why a live stream ended; what the client should do."""

    DELETED = "deleted"
    """The stream is gone: do not come back."""
    DRAINING = "draining"
    """This gateway goes away: come back."""
    RESYNC = "resync"
    """The client was too slow: come back with the last id."""
    FAILED = "failed"
    """An `error` event said why."""


class EventStreamResponse(Response):
    """Follows one stream for as long as the client listens.

    Takes the slot over that the caller acquired and gives it back at the end.
    """

    media_type = "text/event-stream"

    def __init__(
        self, *, stream: str, services: LiveServices, founder_id: str, address: str
    ) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._stream = stream
        self._services = services
        self._founder_id = founder_id
        self._address = address
        self._ended: asyncio.Future[EndReason | None] = (
            asyncio.get_running_loop().create_future()
        )
        self._send: Send
        self._outbox: Outbox
        self._line: Line
        self._subscription: Subscription

    async def open(self, *, after_seq: int | None, epoch: str | None) -> None:
        """Begin to follow; raises `StreamUnknownError` and `TooManySocketsError`."""
        services = self._services
        self._subscription = Subscription(
            stream=self._stream,
            after_seq=after_seq,
            epoch=epoch,
            store=services.store,
            fanout=services.fanout,
            sink=self,
            settings=services.settings.replay,
        )
        await self._subscription.open(self._founder_id)
        try:
            services.slots.acquire(self._founder_id, self._address)
        except VentureBotsError:
            self._subscription.stop()
            raise
        services.registry.add(self, ConnectionKind.EVENT_STREAM)
        if services.registry.is_draining:
            self.drain()

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream until the client leaves or it ends."""
        self._send = send
        self._line = line_of(scope)
        self._outbox = Outbox(
            write=self._write,
            heartbeat=_HEARTBEAT,
            on_overflow=lambda: self._end(EndReason.RESYNC),
            on_stall=self._cut,
            settings=self._services.settings.outbox,
        )
        replaying = listening = None
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            replaying = asyncio.create_task(self._replay())
            listening = asyncio.create_task(self._listen(receive))
            reason = await self._ended
            self._subscription.stop()
            replaying.cancel()
            await self._conclude(reason)
        finally:
            self._outbox.close()
            for task in (replaying, listening):
                if task is not None:
                    task.cancel()
            self._leave()

    def drain(self) -> None:
        """End soon, telling the client to come back."""
        self._end(EndReason.DRAINING)

    # The subscription puts what it reads here (`Sink`)

    async def send_event(self, event: LoggedEvent) -> None:
        """Send an event of the past."""
        await self._outbox.send(self._block(event.type, event.frame, event.seq))

    async def send_snapshot(
        self, frame: SessionSnapshotFrame | FounderSnapshotFrame
    ) -> None:
        """Send a state that replaces what the client has."""
        text = self._block("snapshot", frame.model_dump_json(), frame.seq)
        await self._outbox.send(text)

    def put_live(self, stream: str, seq: int) -> None:
        """Say that everything up to `seq` was sent."""
        frame = LiveFrame(stream=stream, seq=seq).model_dump_json()
        self._outbox.put(self._block("live", frame, seq))

    def put_event(self, event: LoggedEvent) -> None:
        """Send an event as it happens."""
        self._outbox.put(self._block(event.type, event.frame, event.seq))

    def put_ended(self, _stream: str) -> None:
        """Say that the stream is gone."""
        self._end(EndReason.DELETED)

    def _block(self, event_type: str, data: str, seq: int) -> str:
        epoch = self._services.store.epoch
        return f"id: {epoch}:{seq}\nevent: {event_type}\ndata: {data}\n\n"

    # Working

    async def _replay(self) -> None:
        try:
            await self._subscription.replay()
        except OSError:
            self._end(None)
        except VentureBotsError as error:
            frame = ErrorFrame(
                stream=self._stream,
                code=error.code,
                detail=error.detail,
                retryable=error.retryable,
                retry_after_ms=error.retry_after_ms,
            )
            self._outbox.put(f"event: error\ndata: {frame.model_dump_json()}\n\n")
            self._end(EndReason.FAILED)
        except Exception:  # the edge: whatever it is, it is logged and told
            _logger.exception("replay failed", stream=self._stream)
            self._end(EndReason.FAILED)

    async def _listen(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._end(None)

    async def _write(self, text: str) -> None:
        await self._send(
            {"type": "http.response.body", "body": text.encode(), "more_body": True}
        )

    def _end(self, reason: EndReason | None) -> None:
        """End the response; without a reason there is nobody to tell."""
        if not self._ended.done():
            self._ended.set_result(reason)

    def _cut(self) -> None:
        """Drop a peer that takes nothing: the server would wait for it to go."""
        self._line.abort()
        self._end(None)

    async def _conclude(self, reason: EndReason | None) -> None:
        if reason is None:
            return
        try:
            async with asyncio.timeout(_END_SECONDS):
                await self._outbox.flush()
                await self._write(f'event: end\ndata: {{"reason":"{reason}"}}\n\n')
                await self._send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            self._line.abort()

    def _leave(self) -> None:
        self._subscription.stop()
        reason = self._ended.result() if self._ended.done() else None
        registry = self._services.registry
        registry.discard(self, "left" if reason is None else reason.value)
        registry.replayed(
            events=self._subscription.replayed_events,
            snapshots=self._subscription.snapshots,
        )
        self._services.slots.release(self._founder_id, self._address)
