"""A socket client that resumes by sequence number and epoch, like the page's."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self
from uuid import uuid4

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from libs.testing.stream_state import Frame, StreamState

__all__ = ["SUBPROTOCOL", "SocketClient"]

SUBPROTOCOL = Subprotocol("vb.v1")
_RECONNECT_SECONDS = 0.05


class SocketClient:
    """Follows streams, reconnecting for ever with the cursors it has.

    `closes` holds the close code of every connection that was lost, `strays` what
    came of streams that are not followed. A client made with `from_start` False
    asks for a snapshot of each stream first. It waits `reconnect_seconds` before it
    knocks again.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str,
        streams: Iterable[str] = (),
        from_start: bool = True,
        reconnect_seconds: float = _RECONNECT_SECONDS,
    ) -> None:
        self._url = url.replace("http", "ws", 1) + "/v1/socket"
        self._token = token
        self._from_start = from_start
        self._reconnect_seconds = reconnect_seconds
        self._states = {stream: StreamState(stream) for stream in streams}
        self._leaving: dict[str, StreamState] = {}
        self._answers: dict[str, asyncio.Future[Frame]] = {}
        self._changed = asyncio.Event()
        self._connection: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self.epoch: str | None = None
        self.closes: list[int] = []
        self.frames: list[Frame] = []
        self.strays: list[Frame] = []
        self.connections = 0
        self.pongs = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @property
    def states(self) -> tuple[StreamState, ...]:
        """What is known of every stream that is followed."""
        return tuple(self._states.values())

    def state(self, stream: str) -> StreamState:
        """Return what is known of a stream."""
        return self._states[stream]

    async def until(
        self, is_true: Callable[[], bool], *, timeout_seconds: float = 30
    ) -> None:
        """Wait until something holds, looking again after every frame.

        Raises TimeoutError, telling the last frames, when it does not in time.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                while not is_true():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise TimeoutError(f"last frames: {self.frames[-5:]}") from None

    async def ended(self, stream: str, run_id: str) -> str:
        """Wait for a run's terminal event; returns its type."""
        await self.until(lambda: run_id in self.state(stream).run_ends)
        return self.state(stream).run_ends[run_id]

    async def command(self, command_type: str, **fields: object) -> Frame:
        """Send a command; returns its `ack` or `error` frame."""
        request_id = str(fields.pop("request_id", uuid4()))
        answer = asyncio.get_running_loop().create_future()
        self._answers[request_id] = answer
        await self.send({"type": command_type, "request_id": request_id, **fields})
        async with asyncio.timeout(30):
            frame: Frame = await answer
            return frame

    async def send(self, frame: Frame) -> None:
        """Send a frame as it is, on the connection there is."""
        await self.send_text(json.dumps(frame))

    async def send_text(self, text: str) -> None:
        """Send what may be no frame at all, on the connection there is."""
        await self.until(lambda: self._connection is not None)
        if self._connection is not None:
            await self._connection.send(text)

    async def subscribe(self, stream: str, *, after_seq: int | None = 0) -> None:
        """Follow one more stream, from a cursor or a snapshot."""
        state = self._states.setdefault(stream, StreamState(stream))
        state.last_seq = after_seq or 0
        cursor: Frame = {"stream": stream}
        if after_seq is not None:
            cursor["after_seq"] = after_seq
        await self.send({"type": "subscribe", "epoch": self.epoch, "streams": [cursor]})

    async def forget(self, stream: str) -> StreamState:
        """Follow a stream no longer; returns what was known of it to the end."""
        state = self._leaving[stream] = self._states.pop(stream)
        # Known no longer, so that the next hello would not ask for it.
        with contextlib.suppress(ConnectionClosed):
            await self.send({"type": "unsubscribe", "streams": [stream]})
        await self.heard()
        del self._leaving[stream]
        return state

    async def heard(self) -> None:
        """Wait until all that was sent was read, or another connection is there."""
        told = self.connections, self.pongs
        with contextlib.suppress(ConnectionClosed):
            await self.send({"type": "ping"})
        await self.until(lambda: (self.connections, self.pongs) != told)

    async def resume(self, state: StreamState) -> None:
        """Follow a stream again from where it was forgotten."""
        await self.until(lambda: self._connection is not None)
        state.is_live = False
        # Known from here on, so that the next hello asks for it if this is lost.
        self._states[state.stream] = state
        with contextlib.suppress(ConnectionClosed):
            await self.subscribe(state.stream, after_seq=state.last_seq)

    async def leave(self) -> None:
        """Close the connection as a page does that goes; the next one follows."""
        if self._connection is not None:
            await self._connection.close()

    def drop(self) -> None:
        """Lose the connection without a word, as a bad network does."""
        if self._connection is not None:
            self._connection.transport.abort()

    async def _follow(self) -> None:
        while True:
            with contextlib.suppress(OSError, InvalidHandshake, TimeoutError):
                await self._follow_once()
            await asyncio.sleep(self._reconnect_seconds)

    async def _follow_once(self) -> None:
        async with connect(
            self._url,
            subprotocols=[SUBPROTOCOL],
            additional_headers={"Authorization": f"Bearer {self._token}"},
            compression=None,
            max_size=None,
            ping_interval=None,
            close_timeout=1,
            open_timeout=5,
            proxy=None,
        ) as connection:
            try:
                await connection.send(json.dumps(self._hello()))
                async for text in connection:
                    frame = json.loads(text)
                    self._take(connection, frame)
                    if frame["type"] == "ping":
                        await connection.send('{"type":"pong"}')
            except ConnectionClosed:
                pass  # the code is noted below
            finally:
                self._connection = None
                self.closes.append(connection.close_code or 1006)
                self._changed.set()

    def _hello(self) -> Frame:
        cursors: list[Frame] = []
        for state in self._states.values():
            state.is_live = False
            is_known = self._from_start or state.snapshots or state.events
            cursor: Frame = {"stream": state.stream}
            cursors.append(
                cursor | {"after_seq": state.last_seq} if is_known else cursor
            )
        return {"type": "hello", "epoch": self.epoch, "streams": cursors}

    def _take(self, connection: ClientConnection, frame: Frame) -> None:
        self.frames.append(frame)
        match frame["type"]:
            case "welcome":
                self.epoch = frame["epoch"]
                self._connection = connection
                self.connections += 1
            case "ack" | "error" if frame.get("request_id") in self._answers:
                self._answers.pop(frame["request_id"]).set_result(frame)
            case "pong":
                self.pongs += 1
            case "ack" | "error" | "ping":
                pass
            case _:
                self._take_of_stream(frame)
        self._changed.set()

    def _take_of_stream(self, frame: Frame) -> None:
        stream = frame["stream"]
        state = self._states.get(stream) or self._leaving.get(stream)
        if state is None:
            self.strays.append(frame)
        else:
            state.apply(frame)
