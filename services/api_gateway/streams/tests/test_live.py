"""A stream followed as server-sent events, on a real port."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from services.api_gateway.errors import StoreUnavailableError
from services.api_gateway.problem import handle_problems
from services.api_gateway.socket.endpoints import live_services
from services.api_gateway.socket.settings import OutboxSettings
from services.api_gateway.socket.tests.gateway import Parts, eventually, serve
from services.api_gateway.socket.tests.memory import BEARER
from services.api_gateway.streams import live


@dataclass(frozen=True)
class Event:
    """A block of the stream."""

    name: str
    data: dict[str, object]
    id: str | None


@pytest.fixture
async def gateway() -> AsyncIterator[Parts]:
    parts = Parts.create()
    app = FastAPI()
    app.include_router(live.router)
    handle_problems(app)
    app.dependency_overrides[live_services] = lambda: parts.services
    async with serve(app) as parts.port:
        yield parts


@asynccontextmanager
async def _follow(
    gateway: Parts,
    stream: str,
    *,
    after_seq: int | None = None,
    last_event_id: str | None = None,
) -> AsyncIterator["Reader"]:
    headers = {"Authorization": BEARER}
    if last_event_id is not None:
        headers["Last-Event-ID"] = last_event_id
    params = {} if after_seq is None else {"after_seq": after_seq}
    url = f"http://127.0.0.1:{gateway.port}/v1/streams/{stream}/live"
    async with (
        httpx.AsyncClient(timeout=20, trust_env=False) as client,
        client.stream("GET", url, headers=headers, params=params) as response,
    ):
        yield Reader(response)


class Reader:
    """Reads blocks."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def block(self) -> dict[str, str]:
        """The fields of the next block; a comment's name is empty."""
        fields: dict[str, str] = {}
        async for line in self._lines:
            if not line:
                return fields
            name, _, value = line.partition(":")
            fields[name] = value.strip()
        return fields

    async def event(self) -> Event:
        """The next event."""
        fields = await self.block()
        return Event(fields["event"], json.loads(fields["data"]), fields.get("id"))

    async def until(self, name: str) -> list[Event]:
        """Every event up to the first of a name."""
        events = [await self.event()]
        while events[-1].name != name:
            events.append(await self.event())
        return events


async def test_a_cursor_gets_what_it_lacks_then_live_events(gateway: Parts) -> None:
    stream = gateway.log.create(3)
    async with _follow(gateway, stream, after_seq=1) as reader:
        assert reader.response.headers["content-type"].startswith("text/event-stream")
        *events, told = await reader.until("live")
        assert [event.id for event in events] == ["epoch-1:2", "epoch-1:3"]
        assert events[0].data["type"] == events[0].name == "message.delta"
        assert told.data == {"type": "live", "stream": stream, "seq": 3}
        gateway.log.append(stream)
        assert (await reader.event()).id == "epoch-1:4"
    await eventually(lambda: gateway.registry.count == 0)
    assert gateway.slots.taken == 0
    assert gateway.fanout.listeners(stream) == ()


async def test_the_last_event_id_goes_before_the_query(gateway: Parts) -> None:
    stream = gateway.log.create(5)
    async with _follow(
        gateway, stream, after_seq=0, last_event_id="epoch-1:4"
    ) as reader:
        assert (await reader.event()).id == "epoch-1:5"


@pytest.mark.parametrize("last_event_id", [None, "epoch-0:2", "2", "x:y"])
async def test_without_a_cursor_that_will_do_it_begins_with_a_snapshot(
    gateway: Parts, last_event_id: str | None
) -> None:
    stream = gateway.log.create(3)
    async with _follow(gateway, stream, last_event_id=last_event_id) as reader:
        snapshot = await reader.event()
        assert (snapshot.name, snapshot.id) == ("snapshot", "epoch-1:3")
        assert (await reader.event()).name == "live"


async def test_over_many_reconnects_every_event_comes_once(gateway: Parts) -> None:
    stream = gateway.log.create()
    seen: list[str] = []
    last_event_id = "epoch-1:0"
    for _ in range(10):
        gateway.log.append(stream, count=7)
        async with _follow(gateway, stream, last_event_id=last_event_id) as reader:
            gateway.log.append(stream, count=5)
            for _ in range(6):
                event = await reader.event()
                if event.name == "message.delta":
                    assert event.id is not None
                    seen.append(event.id)
                    last_event_id = event.id
    assert seen == [f"epoch-1:{seq}" for seq in range(1, len(seen) + 1)]
    assert len(seen) >= 50


async def test_a_stream_of_somebody_else_is_unknown(gateway: Parts) -> None:
    async with _follow(gateway, f"session:{uuid4()}") as reader:
        assert reader.response.status_code == 404
    assert gateway.slots.taken == 0


async def test_a_live_stream_takes_a_slot(gateway: Parts) -> None:
    stream = gateway.log.create()
    gateway.slots.limit = 1
    async with _follow(gateway, stream) as reader:
        await reader.until("live")
        async with _follow(gateway, stream) as second:
            assert second.response.status_code == 429
        assert len(gateway.fanout.listeners(stream)) == 1


@pytest.mark.parametrize("reason", ["deleted", "draining", "failed"])
async def test_the_end_is_told_with_its_reason(gateway: Parts, reason: str) -> None:
    stream = gateway.log.create(1)
    if reason == "failed":
        gateway.log.failure = StoreUnavailableError("no disk")
    async with _follow(gateway, stream, after_seq=0) as reader:
        if reason == "failed":
            assert (await reader.event()).data["code"] == "store_unavailable"
        else:
            await reader.until("live")
        if reason == "deleted":
            gateway.log.delete(stream)
        if reason == "draining":
            await gateway.registry.drain(0)
        end = await reader.event()
        assert (end.name, end.data) == ("end", {"reason": reason})
        assert await reader.block() == {}
    await eventually(lambda: gateway.registry.count == 0)


async def test_a_reader_that_is_too_slow_is_told_to_come_back(gateway: Parts) -> None:
    gateway.configure(outbox=OutboxSettings(max_frames=8))
    stream = gateway.log.create()
    async with _follow(gateway, stream, after_seq=0) as reader:
        await reader.until("live")
        while gateway.fanout.listeners(stream):
            gateway.log.append(stream, "x" * 50_000)
            await asyncio.sleep(0)
        *events, end = await reader.until("end")
        assert end.data == {"reason": "resync"}
        assert [event.id for event in events] == [
            f"epoch-1:{seq}" for seq in range(1, len(events) + 1)
        ]


async def test_a_silent_stream_is_kept_open_by_comments(gateway: Parts) -> None:
    gateway.configure(outbox=OutboxSettings(heartbeat_seconds=0.05))
    async with _follow(gateway, gateway.log.create()) as reader:
        await reader.until("live")
        assert await reader.block() == {"": "ping"}


async def test_a_reader_that_takes_nothing_is_cut_off_not_waited_for(
    gateway: Parts,
) -> None:
    gateway.configure(outbox=OutboxSettings(heartbeat_seconds=0.1, stall_seconds=0.3))
    stream = gateway.log.create()
    gateway.log.append(stream, "x" * 50_000, count=100)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, ("127.0.0.1", gateway.port))
        path = f"/v1/streams/{stream}/live?after_seq=0"
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {BEARER}\r\n\r\n"
        await loop.sock_sendall(connection, head.encode())
        # Reset, so that not even the kernel keeps what was not read.
        await eventually(
            lambda: connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
        )
    assert gateway.registry.count == 0
    assert gateway.slots.taken == 0
