"""How many bytes a message is: on each wire, and in the database."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from benchmarks.load import Target
from benchmarks.systems import Product
from libs.testing.stack import Stack, free_port

__all__ = ["Relayed", "Wire", "bytes_by_table", "written_bytes"]

_READ_BYTES = 65_536
_HOST = "127.0.0.1"


@dataclass(slots=True)
class Wire:
    """A relay between two processes that counts what passes."""

    port: int
    listens_at: int = field(default_factory=free_port)
    towards: int = 0
    back: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def relaying(self) -> AsyncIterator[None]:
        """Listen, to be connected to instead of the other."""
        server = await asyncio.start_server(self._accept, _HOST, self.listens_at)
        try:
            yield
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()

    def count(self) -> tuple[int, int]:
        """Bytes towards the other and back, so far."""
        return self.towards, self.back

    async def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        other_reader, other_writer = await asyncio.open_connection(_HOST, self.port)
        for source, target, is_back in (
            (reader, other_writer, False),
            (other_reader, writer, True),
        ):
            task = asyncio.create_task(self._pass(source, target, is_back=is_back))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        *,
        is_back: bool,
    ) -> None:
        with suppress(ConnectionError):
            while data := await source.read(_READ_BYTES):
                if is_back:
                    self.back += len(data)
                else:
                    self.towards += len(data)
                target.write(data)
                await target.drain()
        target.close()


class Relayed:
    """The product with a relay on every wire."""

    name = "product"

    def __init__(self, model_url: str) -> None:
        model = Wire(urlsplit(model_url).port or 80)
        self._model_url = f"http://{_HOST}:{model.listens_at}/v1"
        self.wires = {"orchestrator to model": model}
        self.product = Product(self._model_url, prepare=self._prepare, starts=1)

    @property
    def url(self) -> str:
        """Where founders connect."""
        return f"http://{_HOST}:{self.wires['founder to gateway'].listens_at}"

    @property
    def pids(self) -> dict[str, int]:
        """Its processes by role."""
        return self.product.pids

    async def targets(self, count: int) -> list[Target]:
        """Mint founders and give each a quiet session."""
        return await self.product.targets(count)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Relayed"]:
        """Run relays and processes."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.product.running())
            for wire in self.wires.values():
                await stack.enter_async_context(wire.relaying())
            yield self

    def _prepare(self, stack: Stack) -> None:
        between = Wire(stack.orchestrator.port)
        self.wires["gateway to orchestrator"] = between
        self.wires["founder to gateway"] = Wire(stack.gateway.port)
        address = f"{_HOST}:{between.listens_at}"
        stack.gateway.environment["VB_GATEWAY_ORCHESTRATOR_ADDRESSES"] = address


def bytes_by_table(database: Path) -> Counter[str]:
    """What tables and indexes occupy, whole pages, with what the log still holds."""
    query = "SELECT name, sum(pgsize) FROM dbstat GROUP BY name"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return Counter(dict(connection.execute(query).fetchall()))


def written_bytes(pid: int) -> int:
    """What a process had the disk write."""
    return int(psutil.Process(pid).io_counters().write_bytes)
