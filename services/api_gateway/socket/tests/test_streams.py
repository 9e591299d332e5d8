"""Streams on a socket: every event once and in order, wherever a client begins."""

import asyncio
import random
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from services.api_gateway.errors import StoreUnavailableError
from services.api_gateway.socket.tests.gateway import Frame, Parts, eventually
from services.api_gateway.socket.tests.memory import MemoryLog

EPOCH = "epoch-1"


def cursor(stream: str, after_seq: int | None = None) -> Frame:
    if after_seq is None:
        return {"stream": stream}
    return {"stream": stream, "after_seq": after_seq}


@pytest.mark.parametrize("after_seq", [0, 1, 199, 200, 201, 449, 450])
async def test_a_cursor_gets_what_it_lacks_then_live(
    gateway: Parts, after_seq: int
) -> None:
    stream = gateway.log.create(450)
    async with gateway.client(cursor(stream, after_seq), epoch=EPOCH) as client:
        *events, live = await client.until("live")
        assert live == {"type": "live", "stream": stream, "seq": 450}
        assert [event["seq"] for event in events] == list(range(after_seq + 1, 451))
        gateway.log.append(stream)
        assert (await client.receive())["seq"] == 451
    assert gateway.log.snapshots == 0


@pytest.mark.parametrize(
    ("after_seq", "epoch", "compacted"),
    [
        (None, EPOCH, 0),
        (1_400, "another", 0),
        (0, "another", 0),
        (399, EPOCH, 0),
        (1_401, EPOCH, 0),
        (899, EPOCH, 900),
    ],
    ids=["none", "epoch", "epoch from 0", "behind", "ahead", "compacted"],
)
async def test_a_cursor_that_will_not_do_gets_a_snapshot(
    gateway: Parts, after_seq: int | None, epoch: str, compacted: int
) -> None:
    stream = gateway.log.create(1_400)
    gateway.log.compacted[stream] = compacted
    async with gateway.client(cursor(stream, after_seq), epoch=epoch) as client:
        snapshot = await client.receive()
        assert snapshot["type"] == "snapshot"
        assert (snapshot["seq"], snapshot["epoch"]) == (1_400, EPOCH)
        assert await client.receive() == {
            "type": "live",
            "stream": stream,
            "seq": 1_400,
        }
        gateway.log.append(stream)
        assert (await client.receive())["seq"] == 1_401


@pytest.mark.parametrize(("after_seq", "compacted"), [(400, 0), (900, 900)])
async def test_a_cursor_just_within_bounds_is_replayed(
    gateway: Parts, after_seq: int, compacted: int
) -> None:
    stream = gateway.log.create(1_400)
    gateway.log.compacted[stream] = compacted
    async with gateway.client(cursor(stream, after_seq)) as client:
        *events, _live = await client.until("live")
    assert [event["seq"] for event in events] == list(range(after_seq + 1, 1_401))


async def test_compaction_overtaking_a_replay_leads_to_a_snapshot(
    gateway: Parts,
) -> None:
    stream = gateway.log.create(600)

    def compact() -> None:
        gateway.log.compacted[stream] = 500

    gateway.log.before_read = compact
    async with gateway.client(cursor(stream, 0)) as client:
        *frames, live = await client.until("live")
    types = [frame["type"] for frame in frames]
    assert types == ["message.delta"] * 200 + ["snapshot"]
    assert live["seq"] == 600


async def test_what_is_committed_while_a_page_is_read_comes_once(
    gateway: Parts,
) -> None:
    stream = gateway.log.create(10)
    left = iter(range(30))

    def commit_meanwhile() -> None:
        if next(left, None) is not None:
            gateway.log.append(stream)

    gateway.log.before_read = commit_meanwhile
    async with gateway.client(cursor(stream, 0)) as client:
        *events, live = await client.until("live")
        assert [event["seq"] for event in events] == list(range(1, 41))
        assert live["seq"] == 40


async def test_what_is_committed_but_published_late_comes_once(
    gateway: Parts,
) -> None:
    stream = gateway.log.create(3)
    late = gateway.log.streams[stream][-2:]
    async with gateway.client(cursor(stream, 0)) as client:
        await client.until("live")
        gateway.fanout.publish(late)
        gateway.log.append(stream)
        assert (await client.receive())["seq"] == 4


@pytest.mark.parametrize("seed", range(6))
async def test_over_twenty_drops_every_event_comes_once_and_in_order(
    gateway: Parts, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311  # reproducible, not secret
    stream = gateway.log.create()
    total = 900

    async def append() -> None:
        while (written := len(gateway.log.streams[stream])) < total:
            count = min(chance.choice((1, 1, 2, 17)), total - written)
            gateway.log.append(stream, count=count)
            await asyncio.sleep(chance.choice((0, 0, 0.001)))

    appending = asyncio.create_task(append())
    seen: list[int] = []
    for drop in range(21):
        last = seen[-1] if seen else 0
        async with gateway.client(cursor(stream, last), epoch=EPOCH) as client:
            goal = total if drop == 20 else min(total, last + chance.randint(1, 60))
            if goal > last:
                seen += await client.events_through(goal)
            if drop % 2:
                client.websocket.transport.abort()
    await appending
    assert seen == list(range(1, total + 1))
    assert gateway.log.snapshots == 0
    await eventually(lambda: gateway.registry.count == 0)


async def test_two_sockets_get_the_same_frames(gateway: Parts) -> None:
    stream = gateway.log.create(5)
    async with (
        gateway.client(cursor(stream, 0)) as one,
        gateway.client(cursor(stream, 0)) as two,
    ):
        gateway.log.append(stream, count=50)
        frames = [
            [await client.websocket.recv() for _ in range(56)] for client in (one, two)
        ]
    assert _events(frames[0]) == _events(frames[1])
    assert len(_events(frames[0])) == 55


@pytest.mark.parametrize("owner", ["nobody", "another founder"])
async def test_an_unknown_or_foreign_stream_is_an_error_beside_good_ones(
    gateway: Parts, owner: str
) -> None:
    stream = gateway.log.create(1)
    bad = f"session:{uuid4()}"
    if owner == "another founder":
        bad = gateway.log.create(1)
        gateway.log.foreign.add(bad)
    async with gateway.client(cursor(bad, 0), cursor(stream, 0)) as client:
        error = await client.receive()
        assert (error["type"], error["code"]) == ("error", "stream_unknown")
        assert error["stream"] == bad
        await client.until("live")
        gateway.log.streams.setdefault(bad, [])
        gateway.log.append(bad)
        gateway.log.append(stream)
        assert (await client.receive())["stream"] == stream


async def test_a_deleted_stream_ends_and_nothing_more_comes(gateway: Parts) -> None:
    stream = gateway.log.create(1)
    async with gateway.client(cursor(stream, 0)) as client:
        await client.until("live")
        gateway.log.delete(stream)
        assert await client.receive() == {
            "type": "stream.ended",
            "stream": stream,
            "reason": "deleted",
        }
        await client.send({"type": "ping"})
        assert (await client.receive())["type"] == "pong"


@pytest.mark.parametrize("after_seq", [None, 0, 1_500])
async def test_a_stream_deleted_while_it_is_read_ends_once(
    gateway: Parts, after_seq: int | None
) -> None:
    stream = gateway.log.create(1_500)

    def delete() -> None:
        if stream in gateway.log.streams:
            gateway.log.delete(stream)

    gateway.log.before_read = delete
    async with gateway.client(cursor(stream, after_seq)) as client:
        await client.until("stream.ended")
        await client.send({"type": "ping"})
        assert (await client.receive())["type"] == "pong"


async def test_unsubscribed_streams_are_silent(gateway: Parts) -> None:
    kept, left = gateway.log.create(), gateway.log.create()
    async with gateway.client(cursor(kept, 0), cursor(left, 0)) as client:
        await client.until("live")
        await client.until("live")
        await client.send({"type": "unsubscribe", "streams": [left, left]})
        await client.send({"type": "ping"})
        await client.until("pong")
        gateway.log.append(left)
        gateway.log.append(kept)
        assert (await client.receive())["stream"] == kept


async def test_subscribing_again_replaces_the_subscription(gateway: Parts) -> None:
    stream = gateway.log.create(4)
    async with gateway.client(cursor(stream, 4)) as client:
        await client.until("live")
        await client.send({"type": "subscribe", "streams": [cursor(stream, 2)]})
        *events, _live = await client.until("live")
        assert [event["seq"] for event in events] == [3, 4]
        gateway.log.append(stream)
        gateway.log.append(stream)
        assert [(await client.receive())["seq"] for _ in range(2)] == [5, 6]


async def test_a_socket_follows_64_streams_and_is_told_about_one_more(
    gateway: Parts,
) -> None:
    streams = [gateway.log.create() for _ in range(65)]
    async with gateway.client(*(cursor(one, 0) for one in streams[:64])) as client:
        for _ in range(64):
            await client.until("live")
        await client.send({"type": "subscribe", "streams": [cursor(streams[64], 0)]})
        error = await client.receive()
        assert (error["code"], error["stream"]) == ("invalid", streams[64])
        await client.send({"type": "subscribe", "streams": [cursor(streams[0], 0)]})
        assert (await client.receive())["type"] == "live"


async def test_a_store_that_cannot_be_read_is_told_per_stream(gateway: Parts) -> None:
    stream = gateway.log.create(1)
    gateway.log.failure = StoreUnavailableError("no disk")
    async with gateway.client(cursor(stream, 0)) as client:
        error = await client.receive()
        assert (error["code"], error["stream"]) == ("store_unavailable", stream)
        assert error["retryable"] is True
        gateway.log.failure = None
        await client.send({"type": "subscribe", "streams": [cursor(stream, 0)]})
        assert len(await client.until("live")) == 2


async def test_a_replay_that_breaks_closes_and_is_logged(gateway: Parts) -> None:
    stream = gateway.log.create(1)
    gateway.log.failure = ZeroDivisionError()
    with capture_logs() as logs:
        async with gateway.client(cursor(stream, 0)) as client:
            assert await client.close_code() == 1011
    told = [line["event"] for line in logs if line["log_level"] == "error"]
    assert told == ["replay failed"]


async def test_a_flood_of_subscriptions_leaves_one_of_each_stream(
    gateway: Parts,
) -> None:
    streams = [gateway.log.create(1) for _ in range(4)]
    async with gateway.client() as client:
        for _ in range(300):
            await client.send(
                {"type": "subscribe", "streams": [cursor(one, 1) for one in streams]}
            )
        await client.send({"type": "ping"})
        await client.until("pong")
        await eventually(lambda: _is_idle(gateway.log))
        gateway.log.append(streams[0])
        *_, event = await client.until("message.delta")
        assert event["seq"] == 2
        await client.send({"type": "ping"})
        assert "message.delta" not in [f["type"] for f in await client.until("pong")]


def _is_idle(log: MemoryLog) -> bool:
    before, log.page_reads = log.page_reads, 0
    return before == 0


def _events(frames: list[str | bytes]) -> list[str | bytes]:
    return [frame for frame in frames if b"live" not in _bytes(frame)]


def _bytes(frame: str | bytes) -> bytes:
    return frame.encode() if isinstance(frame, str) else frame
