"""Who sends too much or nonsense is told so, and nobody else notices."""

import asyncio
import json
from collections import Counter
from contextlib import suppress
from typing import Final
from uuid import uuid4

import pytest

from libs.testing.client import FounderClient
from libs.testing.socket_client import SocketClient
from libs.testing.stack import until
from libs.testing.stream_state import Frame
from tests.abuse.conftest import Target
from tests.abuse.raw_peer import RawPeer, close_code, text_frame
from tests.integration.proofs import prove_shown_is_stored

_BINARY: Final = 0x2
_FRAMES_PER_SECOND: Final = 10_000
_FLOOD_SECONDS: Final = 5
_IDLE_SOCKETS: Final = 1_000
_MAX_GROWTH: Final = 1.5
"""Of the gateway's memory, once and for all."""
_PING: Final = text_frame(b'{"type":"ping"}')

_NONSENSE: Final = {
    "no JSON": (text_frame(b"{"), {4400}),
    "no object": (text_frame(b"[1]"), {4400}),
    "no type": (text_frame(b"{}"), {4400}),
    "an unknown type": (text_frame(b'{"type": "message.sned"}'), {4400}),
    "a type that is no text": (text_frame(b'{"type": {"type": "ping"}}'), {4400}),
    "binary": (text_frame(b'{"type": "ping"}', opcode=_BINARY), {4400}),
    "nested 60,000 deep": (
        text_frame(b'{"type":"ping","x":' + b"[" * 60_000 + b"]" * 60_000 + b"}"),
        {4400},
    ),
    "never closed 130,000 deep": (text_frame(b"[" * 130_000), {4400}),
    "above the limit": (text_frame(b'"' + b"a" * 140_000 + b'"'), {4413}),
    "far above the limit": (text_frame(b'"' + b"a" * 2_000_000 + b'"'), {1009}),
    "no UTF-8": (text_frame(b'{"type": "\xff"}'), {1007}),
    "a reserved opcode": (text_frame(b"", opcode=0x7), {1002}),
    "an end nobody began": (text_frame(b"x", opcode=0x0), {1002}),
}
_WRONG_VALUES: Final[dict[str, Frame]] = {
    "a number for an id": {"type": "session.delete", "session_id": 7},
    "a list for a text": {"type": "message.send", "session_id": "x", "text": ["a"]},
    "an object for an id": {"type": "run.cancel", "run_id": {"$ne": None}},
    "a field nobody knows": {"type": "run.retry", "run_id": "x", "force": True},
    "an id of 10,000": {"type": "run.cancel", "run_id": "x" * 10_000},
    "half a character": {"type": "message.send", "session_id": "x", "text": "\ud83d"},
    "a cursor below zero": {
        "type": "subscribe",
        "streams": [{"stream": f"session:{uuid4()}", "after_seq": -1}],
    },
    "a cursor beyond any log": {
        "type": "subscribe",
        "streams": [{"stream": f"session:{uuid4()}", "after_seq": 10**400}],
    },
}


async def _talk(founder: FounderClient, socket: SocketClient) -> tuple[str, str]:
    """Begin a reply; the stream and the run, once the first words are there."""
    session = await founder.create_session()
    stream: str = session["stream"]
    await socket.subscribe(stream)
    sent = await founder.send(session["session_id"], "Go on [tokens:700]")
    await socket.until(lambda: len(socket.state(stream).seen("message.delta")) > 2)
    return stream, sent["run_id"]


async def _prove_undisturbed(
    founder: FounderClient, socket: SocketClient, stream: str, run_id: str
) -> None:
    assert await socket.ended(stream, run_id) == "run.finished"
    assert socket.closes == []
    session_id = stream.partition(":")[2]
    await prove_shown_is_stored(founder, session_id, socket.state(stream))


async def _refused_with(target: Target, token: str, frame: bytes) -> int | None:
    async with RawPeer.connect(target.port) as peer:
        await peer.upgrade(token)
        await peer.hello()
        # Cut while it was sent: what was told before is still there.
        with suppress(ConnectionError):
            await peer.send(frame)
        received, _ = await peer.rest()
        return close_code(received)


@pytest.mark.parametrize(("frame", "codes"), _NONSENSE.values(), ids=_NONSENSE)
async def test_nonsense_closes_its_own_socket_alone(
    target: Target, founder: FounderClient, frame: bytes, codes: set[int]
) -> None:
    async with founder.socket() as tab:
        await tab.until(lambda: tab.connections == 1)
        assert await _refused_with(target, founder.token, frame) in codes
        await tab.send({"type": "ping"})
        await tab.until(lambda: tab.frames[-1]["type"] == "pong")
        assert tab.closes == []


async def test_wrong_values_are_errors_and_no_close(founder: FounderClient) -> None:
    async with founder.socket() as tab:
        await tab.until(lambda: tab.connections == 1)
        for frame in _WRONG_VALUES.values():
            answers = len(tab.frames)
            await tab.send({"request_id": str(uuid4())} | frame)
            await tab.until(lambda before=answers: len(tab.frames) > before)  # type: ignore[misc] # bound
            assert tab.frames[-1]["code"] in {"invalid", "stream_unknown"}, frame
        assert tab.closes == []


async def _flood(target: Target, token: str) -> Counter[int | None]:
    """Send 10,000 frames a second for 5 s, coming back whenever thrown out."""
    codes: Counter[int | None] = Counter()
    loop = asyncio.get_running_loop()
    until_moment = loop.time() + _FLOOD_SECONDS
    batch = _FRAMES_PER_SECOND // 50
    while loop.time() < until_moment:
        async with RawPeer.connect(target.port) as peer:
            await peer.upgrade(token)
            await peer.hello()
            told = asyncio.create_task(peer.rest())
            with suppress(ConnectionError):
                while loop.time() < until_moment and not told.done():
                    await peer.send(_PING * batch)
                    await asyncio.sleep(batch / _FRAMES_PER_SECOND)
            if told.done():
                received, _ = await told
                codes[close_code(received)] += 1
            told.cancel()
    return codes


async def test_10_000_frames_a_second_are_stopped_beside_a_healthy_founder(
    target: Target, founder: FounderClient
) -> None:
    before = target.resident_bytes()
    async with (
        await FounderClient.arrive(target.stack.url) as flooder,
        founder.socket() as socket,
    ):
        stream, run_id = await _talk(founder, socket)
        codes = await _flood(target, flooder.token)
        assert run_id not in socket.state(stream).run_ends, "it was not beside it"
        assert codes[4430] > 1
        assert set(codes) == {4430}
        assert target.resident_bytes() / before < _MAX_GROWTH
        await _prove_undisturbed(founder, socket, stream, run_id)


async def test_1_000_sockets_without_hello_are_told_to_say_it(
    target: Target, founder: FounderClient
) -> None:
    before = target.resident_bytes()
    open_before = target.connections()

    async def idle() -> int | None:
        async with RawPeer.connect(target.port) as peer:
            await peer.upgrade(founder.token)
            received, _ = await peer.rest()
            return close_code(received)

    async with (
        await FounderClient.arrive(target.stack.url) as healthy,
        healthy.socket() as socket,
    ):
        stream, run_id = await _talk(healthy, socket)
        codes = Counter(await asyncio.gather(*(idle() for _ in range(_IDLE_SOCKETS))))
        assert set(codes) == {4408}
        await _prove_undisturbed(healthy, socket, stream, run_id)

    async def are_gone() -> bool:
        return target.connections() <= open_before + 2

    await until(are_gone, timeout_seconds=20, what="the sockets")
    assert target.resident_bytes() / before < 2 * _MAX_GROWTH


async def test_a_huge_first_frame_is_refused_before_hello(
    target: Target, founder: FounderClient
) -> None:
    async with RawPeer.connect(target.port) as peer:
        await peer.upgrade(founder.token)
        hello = {"type": "hello", "pad": "a" * 140_000}
        await peer.send(text_frame(json.dumps(hello).encode()))
        received, _ = await peer.rest()
        assert close_code(received) == 4413
