"""The floor's first half: a bare WebSocket relay in the product's frame shapes.

Raw ASGI on uvicorn, uvloop and websockets-sansio; no store, no validation.
"""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import grpc.aio
import uvicorn

from benchmarks.floor_orchestrator import METHOD

type Message = dict[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]


class FloorGateway:
    """Answers `hello` and `message.send`; relays the pieces as deltas."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._speak: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] | None = None
        self._turns: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        match scope["type"]:
            case "lifespan":
                await receive()
                channel = grpc.aio.insecure_channel(self._address)
                self._speak = channel.unary_stream(METHOD)
                await send({"type": "lifespan.startup.complete"})
                await receive()
                await channel.close()
                await send({"type": "lifespan.shutdown.complete"})
            case "http":
                await send({"type": "http.response.start", "status": 200})
                await send({"type": "http.response.body"})
            case _:
                await receive()
                await send({"type": "websocket.accept", "subprotocol": "vb.v1"})
                await self._serve(receive, send)

    async def _serve(self, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            frame = json.loads(message["text"])
            if frame["type"] == "hello":
                await _send(send, {"type": "welcome", "epoch": "", "heartbeat_s": 15})
                for cursor in frame["streams"]:
                    live = {"type": "live", "stream": cursor["stream"], "seq": 0}
                    await _send(send, live)
            elif frame["type"] == "message.send":
                turn = asyncio.create_task(self._turn(frame, send))
                self._turns.add(turn)
                turn.add_done_callback(self._turns.discard)

    async def _turn(self, frame: Message, send: Send) -> None:
        run_id = frame["request_id"]
        await _send(
            send, {"type": "ack", "request_id": run_id, "run_id": run_id, "seq": 1}
        )
        if self._speak is None:
            return
        event = {
            "stream": f"session:{frame['session_id']}",
            "seq": 1,
            "ts": "",
            "run_id": run_id,
        }
        async for piece in self._speak(frame["text"].encode()):
            event["seq"] += 1
            delta = {"message_id": run_id, "text": piece.decode()}
            await _send(send, event | {"type": "message.delta", "data": delta})
        await _send(send, event | {"type": "run.finished", "data": {}})


async def _send(send: Send, frame: Message) -> None:
    await send({"type": "websocket.send", "text": json.dumps(frame)})


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--address", required=True)
    given = parser.parse_args()
    uvicorn.run(
        FloorGateway(given.address),
        port=given.port,
        loop="uvloop",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        log_level="warning",
    )


if __name__ == "__main__":
    _main()
