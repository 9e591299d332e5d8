"""What a socket does with the frames it is sent."""

import asyncio
import json
from collections.abc import Mapping
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from services.api_gateway.socket.tests.gateway import (
    Client,
    Frame,
    Parts,
    eventually,
    message,
)
from services.api_gateway.socket.tests.memory import RefusedError
from services.api_gateway.wire.frames import CloseCode

REQUEST_ID = str(uuid4())
SESSION_ID = str(uuid4())


@pytest.mark.parametrize(
    "frame",
    [
        "{",
        "[]",
        '"hello"',
        "12",
        "null",
        "{}",
        '{"type": 1}',
        '{"type": "message.sned"}',
        '{"type": "ping", "n": NaN}',
        '{"type": "ping", "n": ' + "9" * 5_000 + "}",
        '{"type": "ping", "x": ' + "[" * 60_000 + "]" * 60_000 + "}",
        "[" * 130_000,
        b'{"type": "ping"}',
    ],
    ids=range(13),
)
async def test_a_malformed_frame_closes(gateway: Parts, frame: str | bytes) -> None:
    async with gateway.client() as client:
        await client.send(frame)
        assert await client.close_code() == CloseCode.MALFORMED_FRAME


@pytest.mark.parametrize("letter", ["a", "é"])
async def test_a_frame_beyond_the_limit_closes_and_one_within_does_not(
    gateway: Parts, letter: str
) -> None:
    limit = gateway.settings.max_frame_bytes
    frame = '{"type": "ping"}'
    room = limit - len(frame)
    padding = " " * (room % 2)
    async with gateway.client() as client:
        await client.send(frame + padding + " " * (room - len(padding)))
        assert (await client.receive())["type"] == "pong"
        await client.send(letter * (limit // len(letter.encode()) + 1))
        assert await client.close_code() == CloseCode.FRAME_TOO_LARGE


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"text": " "}, "text: "),
        ({"text": "x" * 8_001}, "text: "),
        ({"text": "\x07"}, "text: "),
        ({"text": "\ud800"}, "text: "),
        ({"text": 1}, "text: "),
        ({"session_id": None}, "session_id: "),
        ({"surplus": True}, "surplus: "),
        ({"\ud800": True}, "Input should be a valid string"),
    ],
)
async def test_a_bad_field_is_an_error_that_names_it(
    gateway: Parts, changes: Mapping[str, object], told: str
) -> None:
    async with gateway.client() as client:
        frame = message(f"session:{SESSION_ID}") | {"request_id": REQUEST_ID}
        await client.send(json.dumps(frame | dict(changes)))
        error = await client.receive()
        assert error["type"] == "error"
        assert error["code"] == "invalid"
        assert error["request_id"] == REQUEST_ID
        assert error["detail"].startswith(told)
        await client.send({"type": "ping"})
        assert (await client.receive())["type"] == "pong"
    assert gateway.commands.executed == []


@pytest.mark.parametrize(
    ("sent", "told"),
    [("abc", "abc"), (7, None), ("é", None), ("x" * 65, None), (None, None)],
)
async def test_a_request_id_that_can_be_read_is_given_back(
    gateway: Parts, sent: object, told: str | None
) -> None:
    async with gateway.client() as client:
        await client.send({"type": "run.cancel", "request_id": sent, "run_id": "x"})
        assert (await client.receive())["request_id"] == told


async def test_a_refused_command_is_an_error_with_all_it_says(gateway: Parts) -> None:
    gateway.commands.error = RefusedError("not now", retry_after_ms=1_500)
    async with gateway.client() as client:
        frame = message(f"session:{SESSION_ID}")
        await client.send(frame)
        assert await client.receive() == {
            "type": "error",
            "request_id": frame["request_id"],
            "stream": None,
            "code": "refused",
            "detail": "not now",
            "retryable": True,
            "retry_after_ms": 1_500,
        }


async def test_a_command_that_breaks_is_logged_and_told_without_its_text(
    gateway: Parts,
) -> None:
    gateway.commands.error = ZeroDivisionError("secret")
    with capture_logs() as logs:
        async with gateway.client() as client:
            await client.send(message(f"session:{SESSION_ID}"))
            error = await client.receive()
    assert error["code"] == "internal"
    assert "secret" not in error["detail"]
    told = [line for line in logs if line["log_level"] != "debug"]
    assert [line["event"] for line in told] == ["command failed"]


async def test_a_message_is_acked_and_its_event_follows_on_the_stream(
    gateway: Parts,
) -> None:
    stream = gateway.log.create()
    async with gateway.client({"stream": stream, "after_seq": 0}) as client:
        assert (await client.receive())["type"] == "live"
        frame = message(stream, "hello coach")
        await client.send(frame)
        frames = {told["type"]: told for told in await _receive(client, 2)}
        assert frames["ack"]["request_id"] == frame["request_id"]
        assert frames["ack"]["seq"] == frames["message.delta"]["seq"] == 1
        assert frames["message.delta"]["data"]["text"] == "hello coach"


async def test_a_flood_is_carried_out_eight_at_a_time_and_in_full(
    gateway: Parts,
) -> None:
    stream = gateway.log.create()
    gateway.commands.gate = asyncio.Event()
    async with gateway.client() as client:
        sent = [message(stream, str(n)) for n in range(100)]
        for frame in sent:
            await client.send(frame)
        await eventually(lambda: gateway.commands.active == 8)
        gateway.commands.gate.set()
        acks = await _receive(client, 100)
    assert {ack["request_id"] for ack in acks} == {one["request_id"] for one in sent}
    assert gateway.commands.most_active == 8


async def test_a_command_is_carried_out_though_its_socket_has_gone(
    gateway: Parts,
) -> None:
    stream = gateway.log.create()
    gateway.commands.gate = asyncio.Event()
    async with gateway.client() as client:
        await client.send(message(stream))
        await eventually(lambda: gateway.commands.active == 1)
    gateway.commands.gate.set()
    await eventually(lambda: len(gateway.commands.executed) == 1)
    await eventually(lambda: gateway.registry.count == 0)


async def test_the_server_asks_for_life_when_it_has_nothing_to_say(
    gateway: Parts,
) -> None:
    outbox = gateway.settings.outbox
    gateway.configure(
        outbox=type(outbox)(heartbeat_seconds=0.05),
    )
    async with gateway.client() as client:
        assert await client.receive() == {"type": "ping"}
        await client.send({"type": "pong"})
        assert await client.receive() == {"type": "ping"}


async def _receive(client: Client, count: int) -> list[Frame]:
    return [await client.receive() for _ in range(count)]


async def test_a_flood_of_frames_closes_and_a_burst_does_not(gateway: Parts) -> None:
    gateway.configure(burst_frames=160, frames_per_second=1)
    async with gateway.client() as client:
        for _ in range(150):
            await client.send({"type": "ping"})
        for _ in range(150):
            assert (await client.receive())["type"] == "pong"
        for _ in range(32):
            await client.send({"type": "ping"})
        assert await client.close_code() == CloseCode.TOO_MANY_FRAMES


async def test_the_allowance_fills_again_with_time(gateway: Parts) -> None:
    gateway.configure(burst_frames=32, frames_per_second=100_000)
    async with gateway.client() as client:
        for _ in range(500):
            await client.send({"type": "ping"})
            assert (await client.receive())["type"] == "pong"
