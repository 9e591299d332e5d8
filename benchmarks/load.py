"""The load generator: founders in a closed loop, each reply compared by word.

Started as its own process. Reads a `Plan` as one line of JSON from standard
input, opens every socket, says `ready`, and at the next line begins. The answer
is one line of JSON.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Self
from uuid import uuid4

import uvloop
from websockets.asyncio.client import ClientConnection, connect

from libs.testing.model_script import reply_tokens
from libs.testing.socket_client import SUBPROTOCOL

_TURN_SECONDS = 120
_OPENING_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Target:
    """A founder's token and session."""

    token: str
    session_id: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Whom to be, and how often to speak; 0 messages: sit idle."""

    url: str
    targets: list[Target]
    messages: int
    tokens: int
    cycle_seconds: float

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read a plan from JSON."""
        fields = json.loads(line)
        fields["targets"] = [Target(**target) for target in fields["targets"]]
        return cls(**fields)


@dataclass(slots=True)
class Result:
    """What was seen; times in seconds."""

    seconds: float = 0.0
    replies: int = 0
    tokens: int = 0
    from_send: list[float] = field(default_factory=list)
    from_ack: list[float] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    """Told to those whose run had to wait."""
    errors: list[str] = field(default_factory=list)


class Founder:
    """One founder on one socket."""

    def __init__(self, socket: ClientConnection, target: Target, tokens: int) -> None:
        self._socket = socket
        self._session_id = target.session_id
        self._tokens = tokens

    async def greet(self) -> None:
        """Say hello and wait until the stream is live."""
        cursor = {"stream": f"session:{self._session_id}", "after_seq": 0}
        await self._send({"type": "hello", "streams": [cursor]})
        while (await self._receive())["type"] != "live":
            pass

    async def talk(self, result: Result) -> None:
        """Send one message and read its reply to the end."""
        request_id, seed = str(uuid4()), uuid4().hex
        started = time.perf_counter()
        await self._send(
            {
                "type": "message.send",
                "request_id": request_id,
                "session_id": self._session_id,
                "text": f"Go on [seed:{seed}] [tokens:{self._tokens}]",
            }
        )
        acked = first = 0.0
        run_id = ""
        pieces: list[str] = []
        while True:
            frame = await self._receive()
            now = time.perf_counter()
            match frame["type"]:
                case "ack":
                    acked, run_id = now, frame["run_id"]
                case "message.delta":
                    first = first or now
                    pieces.append(frame["data"]["text"])
                case "run.queued":
                    result.positions.append(int(frame["data"].get("position") or 0))
                case "run.finished" if frame["run_id"] == run_id:
                    break
                case "error" | "run.failed" | "run.cancelled":
                    result.errors.append(json.dumps(frame)[:300])
                    return
                case _:
                    pass  # steps, usage and the like
        if "".join(pieces) != "".join(reply_tokens(seed, self._tokens)):
            result.errors.append(f"another reply: {''.join(pieces)[:200]!r}")
            return
        result.replies += 1
        result.tokens += self._tokens
        result.from_send.append(first - started)
        result.from_ack.append(first - acked)

    async def idle(self) -> None:
        """Answer the heartbeat until cancelled."""
        while True:
            await self._receive()

    async def _send(self, frame: dict[str, Any]) -> None:
        await self._socket.send(json.dumps(frame))

    async def _receive(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(await self._socket.recv())
        if frame["type"] == "ping":
            await self._send({"type": "pong"})
        return frame


async def _open(plan: Plan) -> list[Founder]:
    gate = asyncio.Semaphore(_OPENING_AT_ONCE)

    async def open_one(target: Target) -> Founder:
        async with gate:
            socket = await connect(
                plan.url.replace("http", "ws", 1) + "/v1/socket",
                subprotocols=[SUBPROTOCOL],
                additional_headers={"Authorization": f"Bearer {target.token}"},
                compression=None,
                ping_interval=None,
                proxy=None,
            )
            founder = Founder(socket, target, plan.tokens)
            await founder.greet()
            return founder

    return await asyncio.gather(*(open_one(target) for target in plan.targets))


async def _speak(plan: Plan, founders: list[Founder], messages: int) -> Result:
    """Let every founder speak, spread over one cycle so that none march in step."""
    result = Result()

    async def loop(index: int, founder: Founder) -> None:
        await asyncio.sleep(plan.cycle_seconds * index / len(founders))
        for _ in range(messages):
            try:
                async with asyncio.timeout(_TURN_SECONDS):
                    await founder.talk(result)
            except Exception as error:  # noqa: BLE001 - every failure is counted and told
                result.errors.append(repr(error))
                return

    started = time.perf_counter()
    await asyncio.gather(*(loop(index, each) for index, each in enumerate(founders)))
    result.seconds = time.perf_counter() - started
    return result


async def _main() -> None:
    read_line = asyncio.get_running_loop().run_in_executor
    plan = Plan.parse(await read_line(None, sys.stdin.readline))
    founders = await _open(plan)
    idling = [
        asyncio.create_task(each.idle()) for each in founders if not plan.messages
    ]
    if plan.messages:
        warm = await _speak(plan, founders, 1)
        if warm.errors:
            raise RuntimeError(f"warm-up: {warm.errors[:3]}")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await read_line(None, sys.stdin.readline)
    result = await _speak(plan, founders, plan.messages)
    for task in idling:
        task.cancel()
    sys.stdout.write(json.dumps(asdict(result)) + "\n")


if __name__ == "__main__":
    uvloop.run(_main())
