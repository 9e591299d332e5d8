"""What waits for one peer is bounded by number and by bytes."""

import asyncio

import pytest

from services.api_gateway.socket.outbox import Outbox
from services.api_gateway.socket.settings import OutboxSettings


class Peer:
    """Takes frames while its gate is open."""

    def __init__(self, settings: OutboxSettings) -> None:
        self.gate = asyncio.Event()
        self.taken: list[str] = []
        self.overflows = 0
        self.stalled = asyncio.Event()
        self.is_gone = False
        self.outbox = Outbox(
            write=self._write,
            heartbeat="beat",
            on_overflow=self._overflow,
            on_stall=self.stalled.set,
            settings=settings,
        )

    async def _write(self, frame: str) -> None:
        if self.is_gone:
            raise ConnectionResetError
        await self.gate.wait()
        self.taken.append(frame)

    def _overflow(self) -> None:
        self.overflows += 1


async def test_a_frame_is_written_at_once_when_the_peer_takes_it() -> None:
    peer = Peer(OutboxSettings())
    peer.gate.set()
    peer.outbox.put("a")
    assert peer.taken == ["a"]
    peer.outbox.close()


@pytest.mark.parametrize(
    ("settings", "frame", "room"),
    [
        (OutboxSettings(max_frames=3), "a", 3),
        (OutboxSettings(max_bytes=30), "a" * 10, 3),
        (OutboxSettings(max_bytes=30), "é" * 5, 3),
    ],
    ids=["frames", "bytes", "bytes, not letters"],
)
async def test_one_more_than_there_is_room_for_overflows_once(
    settings: OutboxSettings, frame: str, room: int
) -> None:
    peer = Peer(settings)
    # The first is being written and no longer waits.
    for _ in range(1 + room):
        peer.outbox.put(frame)
    assert (peer.outbox.waiting_frames, peer.overflows) == (room, 0)
    peer.outbox.put(frame)
    peer.outbox.put(frame)
    assert (peer.outbox.waiting_frames, peer.overflows) == (0, 1)


async def test_what_waited_comes_in_order_and_makes_room_again() -> None:
    peer = Peer(OutboxSettings(max_frames=3))
    frames = ["a", "b", "c", "d"]
    for _ in range(5):
        peer.gate.clear()
        for frame in frames:
            peer.outbox.put(frame)
        peer.gate.set()
        await peer.outbox.flush()
    assert peer.taken == frames * 5
    assert peer.overflows == 0
    peer.outbox.close()


async def test_a_replay_waits_for_the_peer_and_takes_no_room() -> None:
    peer = Peer(OutboxSettings(max_frames=1))
    sending = asyncio.create_task(peer.outbox.send("a"))
    await asyncio.sleep(0)
    assert not sending.done()
    assert peer.outbox.waiting_frames == 0
    peer.gate.set()
    await sending
    assert peer.taken == ["a"]
    peer.outbox.close()


async def test_a_peer_that_is_gone_ends_the_outbox_quietly() -> None:
    peer = Peer(OutboxSettings())
    peer.is_gone = True
    peer.outbox.put("a")
    peer.outbox.put("b")
    assert peer.outbox.waiting_frames == 0
    with pytest.raises(ConnectionError):
        await peer.outbox.send("c")
    assert peer.overflows == 0


async def test_silence_is_broken_by_heartbeats_and_a_stall_is_told() -> None:
    peer = Peer(OutboxSettings(heartbeat_seconds=0.02, stall_seconds=0.1))
    peer.gate.set()
    async with asyncio.timeout(10):
        while len(peer.taken) < 2:
            await asyncio.sleep(0.005)
        peer.gate.clear()
        await peer.stalled.wait()
    assert set(peer.taken) == {"beat"}
