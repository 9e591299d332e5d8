"""Who gets a socket, and what the first frame has to be."""

import json
from dataclasses import replace

import pytest
from starlette.requests import HTTPConnection
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from services.api_gateway.errors import StoreUnavailableError
from services.api_gateway.socket.tests.gateway import Frame, Parts, eventually
from services.api_gateway.wire.frames import CloseCode


@pytest.mark.parametrize("offered", [None, ["vb.v0"]])
async def test_a_client_without_the_subprotocol_is_refused_before_the_handshake(
    gateway: Parts, offered: list[Subprotocol] | None
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with gateway.connect(subprotocols=offered):
            pass

    assert refused.value.response.status_code == 400
    assert json.loads(refused.value.response.body)["code"] == "subprotocol_missing"


async def test_the_subprotocol_is_confirmed(gateway: Parts) -> None:
    async with gateway.client() as client:
        assert client.websocket.subprotocol == "vb.v1"


async def test_a_page_of_another_origin_is_turned_away(gateway: Parts) -> None:
    async with gateway.connect(origin="https://evil.example") as client:
        assert await client.close_code() == CloseCode.ORIGIN


async def test_a_page_of_an_allowed_origin_is_let_in(gateway: Parts) -> None:
    async with gateway.connect(origin="https://coach.example") as client:
        await client.send({"type": "hello"})
        assert (await client.receive())["type"] == "welcome"


async def test_nobody_without_a_founder_gets_in(gateway: Parts) -> None:
    async with gateway.connect(bearer="Bearer nobody") as client:
        assert await client.close_code() == CloseCode.NO_FOUNDER


async def test_beyond_the_slots_a_socket_is_turned_away_and_slots_come_back(
    gateway: Parts,
) -> None:
    gateway.slots.limit = 1
    async with gateway.client():
        async with gateway.connect() as second:
            assert await second.close_code() == CloseCode.TOO_MANY_SOCKETS
        assert gateway.slots.taken == 1
    await eventually(lambda: gateway.slots.taken == 0)
    assert gateway.registry.count == 0


async def test_a_socket_that_says_nothing_is_closed(gateway: Parts) -> None:
    gateway.configure(hello_seconds=0.05)
    async with gateway.connect() as client:
        assert await client.close_code() == CloseCode.NO_HELLO


@pytest.mark.parametrize(
    "first",
    [
        {"type": "ping"},
        {"type": "subscribe", "streams": []},
        {"type": "hello", "streams": "all"},
        {"type": "hello", "unknown": 1},
        {"type": "hello", "streams": [{"stream": "session:x"}]},
        {"type": "hello", "x" * 500: "a long name must fit the reason of a close"},
    ],
)
async def test_anything_but_a_valid_hello_first_closes(
    gateway: Parts, first: Frame
) -> None:
    async with gateway.connect() as client:
        await client.send(first)
        assert await client.close_code() == CloseCode.MALFORMED_FRAME


async def test_without_a_store_a_client_is_told_to_come_back(gateway: Parts) -> None:
    async def fail(_connection: HTTPConnection) -> str:
        raise StoreUnavailableError("no disk")

    gateway.services = replace(gateway.services, authenticate=fail)
    async with gateway.connect() as client:
        assert await client.close_code() == CloseCode.UNAVAILABLE
    assert gateway.slots.taken == 0


async def test_welcome_tells_epoch_and_heartbeat(gateway: Parts) -> None:
    async with gateway.client() as client:
        assert client.welcome == {
            "type": "welcome",
            "epoch": "epoch-1",
            "heartbeat_s": 15,
        }


async def test_a_second_hello_is_an_error_and_no_close(gateway: Parts) -> None:
    async with gateway.client() as client:
        await client.send({"type": "hello"})
        assert (await client.receive())["code"] == "invalid"
        await client.send({"type": "ping"})
        assert (await client.receive())["type"] == "pong"


async def test_while_draining_a_new_socket_is_sent_elsewhere(gateway: Parts) -> None:
    await gateway.registry.drain(0)
    async with gateway.connect() as client:
        assert await client.close_code() == CloseCode.DRAINING


async def test_draining_tells_every_open_socket_one_after_the_other(
    gateway: Parts,
) -> None:
    async with gateway.client() as one, gateway.client() as two:
        await gateway.registry.drain(0.1)
        assert await one.close_code() == CloseCode.DRAINING
        assert await two.close_code() == CloseCode.DRAINING
    await eventually(lambda: gateway.registry.count == 0)
