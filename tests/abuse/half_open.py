"""Clients that are gone without a word, as when a phone loses its network."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tests.abuse.raw_peer import RawPeer

__all__ = ["half_open"]


@asynccontextmanager
async def half_open(port: int, token: str, count: int) -> AsyncIterator[asyncio.Event]:
    """Open sockets of a founder; once the event is set nobody is behind them.

    The connections stay as they are: nothing is closed, nothing is answered.
    """
    async with _proxy(port) as (proxy_port, frozen), AsyncExitStack() as peers:
        for _ in range(count):
            peer = await peers.enter_async_context(RawPeer.connect(proxy_port))
            await peer.upgrade(token)
            await peer.hello()
        yield frozen


@asynccontextmanager
async def _proxy(port: int) -> AsyncIterator[tuple[int, asyncio.Event]]:
    """Forward until the event is set; then keep silent and keep everything open."""
    frozen = asyncio.Event()

    async def forward(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while not frozen.is_set():
            piece = await reader.read(65_536)
            if frozen.is_set() or not piece:
                return
            writer.write(piece)

    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        writers.extend([back, writer])
        tasks.add(asyncio.create_task(forward(reader, back)))
        tasks.add(asyncio.create_task(forward(there, writer)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], frozen
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        for writer in writers:
            writer.transport.abort()
        closed = (writer.wait_closed() for writer in writers)
        await asyncio.gather(*tasks, *closed, return_exceptions=True)
