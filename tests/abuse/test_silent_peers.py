"""Peers that read a little, or nothing, beside a tab that reads."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import pytest

from libs.testing.client import FounderClient
from libs.testing.socket_client import SocketClient
from libs.testing.stack import until
from libs.testing.stream_state import Frame
from tests.abuse.conftest import Target
from tests.abuse.raw_peer import RawPeer
from tests.integration.proofs import prove_shown_is_stored

_GIVEN_UP_SECONDS: Final = 50
_MESSAGES: Final = 100
_LONG_TEXT: Final = "\N{KEY}" * 7_900
_MAX_GROWTH: Final = 1.5


async def _trickle(peer: RawPeer) -> None:
    """Read 10 bytes a second until the gateway has had enough."""
    with suppress(ConnectionError):
        while await peer.read(10):
            await asyncio.sleep(1)


async def _follow_by_sse(peer: RawPeer, stream: str, token: str) -> None:
    await peer.send(
        f"GET /v1/streams/{stream}/live?after_seq=0 HTTP/1.1\r\nHost: gateway\r\n"
        f"Authorization: Bearer {token}\r\n\r\n".encode()
    )


@dataclass(frozen=True, slots=True)
class _Crowd:
    """Followers of one stream: a socket and an event stream of each kind."""

    slow: list[RawPeer]
    still: list[RawPeer]


@asynccontextmanager
async def _crowd(
    target: Target, founder: FounderClient, stream: str
) -> AsyncIterator[_Crowd]:
    async with AsyncExitStack() as peers:

        async def open_socket() -> RawPeer:
            peer = await peers.enter_async_context(RawPeer.connect(target.port))
            await peer.upgrade(founder.token)
            await peer.hello(stream)
            return peer

        async def open_sse() -> RawPeer:
            peer = await peers.enter_async_context(RawPeer.connect(target.port))
            await _follow_by_sse(peer, stream, founder.token)
            return peer

        slow, still = [[await open_socket(), await open_sse()] for _ in range(2)]
        yield _Crowd(slow, still)


@pytest.mark.timeout(150)
async def test_peers_that_take_nothing_are_let_go_beside_a_healthy_tab(
    target: Target, founder: FounderClient
) -> None:
    sockets, connections = await target.open_sockets(), target.connections()
    memory = target.resident_bytes()
    session = await founder.create_session()
    session_id, stream = session["session_id"], session["stream"]

    async def are_open(count: int) -> bool:
        return await target.open_sockets() == sockets + count

    async with (
        _crowd(target, founder, stream) as crowd,
        founder.following(session_id) as tab,
    ):
        await until(lambda: are_open(5), timeout_seconds=10, what="all of them")
        trickles = [asyncio.create_task(_trickle(each)) for each in crowd.slow]
        sent = [await founder.send(session_id, _LONG_TEXT) for _ in range(_MESSAGES)]
        await until(
            lambda: are_open(1), timeout_seconds=_GIVEN_UP_SECONDS, what="the tab alone"
        )

        async def are_gone() -> bool:
            # But for the tab, and what HTTP keeps alive.
            return target.connections() <= connections + 2

        await until(are_gone, timeout_seconds=15, what="the end of connections")
        assert target.resident_bytes() / memory < _MAX_GROWTH
        assert all(each.is_reset() for each in crowd.still)
        for trickle in trickles:
            trickle.cancel()
        assert tab.closes == []
        await _stop_all(founder, tab, stream, sent)
        await prove_shown_is_stored(founder, session_id, tab.state(stream))
    # Whoever was cut off comes back, here so far behind that a snapshot begins it.
    async with founder.socket(stream) as again:
        back = again.state(stream)
        await again.until(lambda: back.is_live)
        log = await founder.log(stream)
        assert (back.snapshots, back.last_seq) == (1, log.last_seq)
        assert back.texts.items() <= log.texts.items()


async def _stop_all(
    founder: FounderClient, tab: SocketClient, stream: str, sent: Sequence[Frame]
) -> None:
    for message in reversed(sent):
        await founder.cancel(message["run_id"])
    for message in sent:
        await tab.ended(stream, message["run_id"])
