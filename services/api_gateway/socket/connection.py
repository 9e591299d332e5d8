"""One socket's life: hello, streams, commands, close."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog

from libs.errors import VentureBotsError
from services.api_gateway.errors import InvalidCommandError
from services.api_gateway.fanout import LoggedEvent
from services.api_gateway.socket.inbound import (
    FrameAllowance,
    MalformedFrameError,
    parse,
    request_id_of,
    validate,
)
from services.api_gateway.socket.outbox import Outbox
from services.api_gateway.socket.protocol import Line
from services.api_gateway.socket.services import LiveServices
from services.api_gateway.socket.subscription import Subscription
from services.api_gateway.wire.base import ViewModel
from services.api_gateway.wire.commands import Command
from services.api_gateway.wire.frames import (
    ClientFrame,
    CloseCode,
    ErrorFrame,
    FounderSnapshotFrame,
    Hello,
    LiveFrame,
    Ping,
    PingFrame,
    Pong,
    PongFrame,
    SessionSnapshotFrame,
    StreamCursor,
    StreamEndedFrame,
    Subscribe,
    Unsubscribe,
    WelcomeFrame,
)

__all__ = ["Connection"]

_logger = structlog.get_logger(__name__)

INTERNAL_ERROR = 1011
_FRAMES_PER_TURN = 16
_FLOOD_LINGER_SECONDS = 1.0
_MAX_REASON_BYTES = 123  # what RFC 6455 has room for
_PING = PingFrame().model_dump_json()
_PONG = PongFrame().model_dump_json()
_INTERNAL = VentureBotsError("something went wrong here; it was logged")

type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]


class Connection:
    """Serves one accepted socket of one founder.

    `run` returns when the socket is closed and its last command was carried out.
    """

    def __init__(
        self,
        *,
        founder_id: str,
        receive: Receive,
        send: Send,
        line: Line,
        services: LiveServices,
    ) -> None:
        self._founder_id = founder_id
        self._receive = receive
        self._send = send
        self._line = line
        self._services = services
        self._settings = services.settings
        self._outbox = Outbox(
            write=self._write,
            heartbeat=_PING,
            on_overflow=self._resync,
            on_stall=line.abort,
            settings=services.settings.outbox,
        )
        self._subscriptions: dict[str, Subscription] = {}
        self._replays: dict[str, Subscription] = {}
        self._replaying: asyncio.Task[None] | None = None
        self._executing: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Task[None] | None = None
        self.close_code: int | None = None

    async def run(self) -> None:
        """Serve the socket until it is closed."""
        try:
            if await self._greet():
                await self._read()
        finally:
            self._stop()
            if self._closing is not None:
                await self._closing
            if self._executing:
                # A command that was accepted is carried out, whoever has left.
                await asyncio.wait(self._executing)

    def close(self, code: int, reason: str = "") -> None:
        """Close the socket, once, ahead of anything that waits to be sent."""
        if self._closing is not None:
            return
        self._stop()
        self.close_code = code
        self._closing = asyncio.create_task(self._send_close(code, reason))

    def drain(self) -> None:
        """Tell the client to come back to another gateway."""
        self.close(CloseCode.DRAINING, "draining")

    # Subscriptions put what they read here (`Sink`)

    async def send_event(self, event: LoggedEvent) -> None:
        """Send an event of the past."""
        await self._outbox.send(event.frame)

    async def send_snapshot(
        self, frame: SessionSnapshotFrame | FounderSnapshotFrame
    ) -> None:
        """Send a state that replaces what the client has."""
        await self._outbox.send(frame.model_dump_json())

    def put_live(self, stream: str, seq: int) -> None:
        """Say that everything up to `seq` was sent."""
        self._put(LiveFrame(stream=stream, seq=seq))

    def put_event(self, event: LoggedEvent) -> None:
        """Send an event as it happens."""
        self._outbox.put(event.frame)

    def put_ended(self, stream: str) -> None:
        """Say that the stream is gone."""
        self._unsubscribe(stream)
        self._put(StreamEndedFrame(stream=stream, reason="deleted"))

    # Reading

    async def _greet(self) -> bool:
        """Wait for `hello`; whether it came."""
        try:
            async with asyncio.timeout(self._settings.hello_seconds):
                text = await self._next_text()
        except TimeoutError:
            self.close(CloseCode.NO_HELLO, "no hello")
            return False
        if text is None:
            return False
        try:
            frame = validate(parse(text))
        except (MalformedFrameError, InvalidCommandError) as error:
            self._refuse(str(error))
            return False
        if not isinstance(frame, Hello):
            self._refuse("the first frame must be hello")
            return False
        self._put(
            WelcomeFrame(
                epoch=self._services.store.epoch,
                heartbeat_s=round(self._settings.outbox.heartbeat_seconds),
            )
        )
        self._subscribe(frame.streams, frame.epoch)
        return True

    async def _read(self) -> None:
        frames = 0
        allowance = FrameAllowance(self._settings)
        while (text := await self._next_text()) is not None:
            frames += 1
            if frames % _FRAMES_PER_TURN == 0:
                # Frames that came together are read without a pause: let others
                # have theirs.
                await asyncio.sleep(0)
                if not allowance.take(_FRAMES_PER_TURN):
                    await self._end_flood()
                    return
            try:
                await self._take(parse(text))
            except MalformedFrameError as error:
                self._refuse(str(error))

    async def _end_flood(self) -> None:
        """Close, and read on no longer than it takes the peer to hear of it."""
        self.close(CloseCode.TOO_MANY_FRAMES, "too many frames")
        await asyncio.sleep(_FLOOD_LINGER_SECONDS)
        self._line.abort()

    async def _next_text(self) -> str | None:
        """The next text frame within the limit; None when the socket is closed."""
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                if self.close_code is None:
                    self.close_code = message.get("code")
                return None
            if self._closing is not None:
                continue
            text = message.get("text")
            if text is None:
                self._refuse("frames are text")
            elif self._is_too_large(text):
                self.close(CloseCode.FRAME_TOO_LARGE, "frame too large")
            else:
                return str(text)

    def _is_too_large(self, text: str) -> bool:
        limit = self._settings.max_frame_bytes
        if len(text) > limit:
            return True
        return not text.isascii() and len(text.encode()) > limit

    async def _take(self, frame: dict[str, Any]) -> None:
        """Act on a frame; a refusal is told, never a reason to close."""
        try:
            await self._act(validate(frame), request_id_of(frame))
        except VentureBotsError as error:
            self._put_error(error, request_id=request_id_of(frame))

    async def _act(self, frame: ClientFrame, request_id: str | None) -> None:
        match frame:
            case Ping():
                self._outbox.put(_PONG)
            case Pong():
                pass
            case Hello():
                raise InvalidCommandError("hello was said already; use subscribe")
            case Subscribe():
                self._subscribe(frame.streams, frame.epoch)
            case Unsubscribe():
                for stream in frame.streams:
                    self._unsubscribe(stream)
            case _:
                await self._begin(frame, request_id)

    # Commands

    async def _begin(self, command: Command, request_id: str | None) -> None:
        """Start a command; waits while as many as may be are carried out."""
        while len(self._executing) >= self._settings.max_commands:
            await asyncio.wait(self._executing, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(self._execute(command, request_id))
        self._executing.add(task)
        task.add_done_callback(self._executing.discard)

    async def _execute(self, command: Command, request_id: str | None) -> None:
        try:
            with self._services.telemetry.command(command.type, request_id):
                ack = await self._services.commands.execute(self._founder_id, command)
        except VentureBotsError as error:
            self._put_error(error, request_id=request_id)
        except Exception:  # the edge: whatever it is, it is logged and told
            _logger.exception("command failed", command=command.type)
            self._put_error(_INTERNAL, request_id=request_id)
        else:
            self._put(ack)

    # Streams

    def _subscribe(self, cursors: list[StreamCursor], epoch: str | None) -> None:
        for cursor in cursors:
            self._unsubscribe(cursor.stream)
            if len(self._subscriptions) >= self._settings.max_streams:
                most = self._settings.max_streams
                error = InvalidCommandError(f"at most {most} streams a socket")
                self._put_error(error, stream=cursor.stream)
                continue
            subscription = Subscription(
                stream=cursor.stream,
                after_seq=cursor.after_seq,
                epoch=epoch,
                store=self._services.store,
                fanout=self._services.fanout,
                sink=self,
                settings=self._settings.replay,
            )
            self._subscriptions[cursor.stream] = subscription
            self._replays[cursor.stream] = subscription
        if self._replays and self._replaying is None and self._closing is None:
            self._replaying = asyncio.create_task(self._replay())

    def _unsubscribe(self, stream: str) -> None:
        self._replays.pop(stream, None)
        subscription = self._subscriptions.pop(stream, None)
        if subscription is not None:
            subscription.stop()

    async def _replay(self) -> None:
        """Bring subscriptions up to date, one after the other.

        One at a time, so that a socket never holds more than one page.
        """
        try:
            while self._replays:
                # What waits of a subscription that was replaced comes before it.
                await self._outbox.flush()
                stream = next(iter(self._replays), None)
                if stream is None:
                    break
                await self._bring_up_to_date(self._replays.pop(stream))
        except OSError:
            # The peer is gone; the reader is told.
            self._outbox.close()
        except Exception:  # the edge: whatever it is, it is logged and told
            _logger.exception("replay failed")
            self.close(INTERNAL_ERROR, "internal error")
        finally:
            self._replaying = None

    async def _bring_up_to_date(self, subscription: Subscription) -> None:
        stream = subscription.stream
        try:
            await subscription.open(self._founder_id)
            await subscription.replay()
        except VentureBotsError as error:
            if self._subscriptions.get(stream) is subscription:
                self._unsubscribe(stream)
                self._put_error(error, stream=stream)
        finally:
            self._services.registry.replayed(
                events=subscription.replayed_events, snapshots=subscription.snapshots
            )

    # Sending

    def _put(self, frame: ViewModel) -> None:
        self._outbox.put(frame.model_dump_json())

    def _put_error(
        self,
        error: VentureBotsError,
        *,
        request_id: str | None = None,
        stream: str | None = None,
    ) -> None:
        self._put(
            ErrorFrame(
                request_id=request_id,
                stream=stream,
                code=error.code,
                detail=error.detail,
                retryable=error.retryable,
                retry_after_ms=error.retry_after_ms,
            )
        )

    async def _write(self, frame: str) -> None:
        try:
            await self._send({"type": "websocket.send", "text": frame})
        except RuntimeError as error:
            # The server closed the socket by itself and said so to nobody yet.
            raise ConnectionAbortedError from error

    # The end

    def _refuse(self, reason: str) -> None:
        self.close(CloseCode.MALFORMED_FRAME, reason)

    def _resync(self) -> None:
        self.close(CloseCode.RESYNC, "too slow; come back with your cursors")

    def _stop(self) -> None:
        """Let go of everything but the socket itself; harmless when repeated."""
        self._outbox.close()
        self._replays.clear()
        for stream in tuple(self._subscriptions):
            self._unsubscribe(stream)
        if self._replaying is not None:
            self._replaying.cancel()

    async def _send_close(self, code: int, reason: str) -> None:
        self._line.release()
        reason = reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
        try:
            await self._send(
                {"type": "websocket.close", "code": code, "reason": reason}
            )
        except (OSError, RuntimeError):
            self._line.abort()
