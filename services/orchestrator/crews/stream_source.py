"""Crews from the operator's stream, or from a file until it is there.

The stream is dialled for as long as the process lives. What is in force changes with
updates alone: a stream that is lost changes nothing.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, assert_never

import structlog

from libs.errors import VentureBotsError
from services.orchestrator.clients.crew_discovery import (
    Subscription,
    open_crew_stream,
)
from services.orchestrator.crews.fallback_files import FallbackFiles
from services.orchestrator.crews.in_force import InForce, SetCompiler
from services.orchestrator.crews.operator_addresses import Resolve, addresses_of
from services.orchestrator.crews.probes import Probe, ProbeRunner
from services.orchestrator.crews.registry import CrewRegistry
from services.orchestrator.crews.rollout_stats import RolloutStats
from services.orchestrator.crews.stream_session import StreamSession
from services.orchestrator.crews.told import Answer, Refusal, Told, Update, UpdateParts
from services.orchestrator.errors import CrewStreamBrokenError
from services.orchestrator.metrics import Metrics

__all__ = ["Operator", "StreamSource"]

_logger = structlog.get_logger(__name__)
_FIRST_DELAY_SECONDS: Final = 0.1
_MAX_DELAY_SECONDS: Final = 5.0
_KEEPING_SECONDS: Final = 1.0
"""Between writings of the last good set, at least."""
_KEEPING_SHARE: Final = 20
"""How much longer the pause after a writing is: a thousand crews take a second."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Where the operator is, what it is shown, and who asks."""

    address: str
    token_file: Path | None
    subscription: Subscription
    resolve: Resolve = addresses_of


class StreamSource:
    """Keeps a registry in step with the operator; call `load` once, then `follow`."""

    def __init__(
        self,
        *,
        operator: Operator,
        wait_seconds: float,
        compiler: SetCompiler,
        registry: CrewRegistry,
        files: FallbackFiles,
        stats: RolloutStats,
        probes: ProbeRunner,
        metrics: Metrics,
    ) -> None:
        self._operator = operator
        self._address = operator.address
        self._wait_seconds = wait_seconds
        self._compiler = compiler
        self._registry = registry
        self._files = files
        self._stats = stats
        self._probes = probes
        self._metrics = metrics
        self._told = Told()
        self._in_force = InForce()
        self._is_told = asyncio.Event()
        """Set by the first update."""
        self._updates = 0
        self._applying = asyncio.Lock()
        self._to_keep = asyncio.Event()
        self._is_connected = False
        self._is_lost_told = False
        self._tasks: list[asyncio.Task[None]] = []

    async def load(self) -> None:
        """Dial, wait for the first update, and take a file when none comes in time.

        Dialling goes on, whatever was found.
        """
        self._tasks = [
            asyncio.create_task(self._dial(), name="dial the operator"),
            asyncio.create_task(self._keep(), name="keep the last good crews"),
        ]
        with suppress(TimeoutError):
            async with asyncio.timeout(self._wait_seconds):
                await self._is_told.wait()
        async with self._applying:
            if not self._is_told.is_set():
                await self._fall_back()
        if not self._registry.in_force.crews:
            _logger.warning("no crews yet", source=f"stream:{self._address}")

    async def follow(self, stop: asyncio.Event) -> None:
        """Apply updates until told to stop; then what is in force is kept."""
        await stop.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._to_keep.is_set():
            await asyncio.to_thread(self._files.write, self._in_force)

    async def _fall_back(self) -> None:
        for source, told in await asyncio.to_thread(lambda: list(self._files.read())):
            in_force, refusals = await self._compile(told, InForce())
            if in_force.stable:
                self._put(in_force, refusals, source)
                return

    async def _dial(self) -> None:
        """Try all addresses in turn, for ever, with growing pauses in between."""
        loop = asyncio.get_running_loop()
        delay = _FIRST_DELAY_SECONDS
        while True:
            for address in await self._addresses():
                began = loop.time()
                try:
                    was_told = await self._listen(address)
                except Exception:  # nobody else would dial
                    _logger.exception("crew stream broke", address=address)
                    continue
                if was_told and loop.time() - began > _MAX_DELAY_SECONDS:
                    delay = _FIRST_DELAY_SECONDS
                if was_told:
                    break
            # Not all orchestrators at once, when the operator starts anew.
            await asyncio.sleep(delay * random.uniform(0.5, 1))  # noqa: S311 - no secret
            delay = min(delay * 2, _MAX_DELAY_SECONDS)

    async def _addresses(self) -> Sequence[str]:
        try:
            return await self._operator.resolve(self._address)
        except OSError as error:
            self._tell_lost(self._address, "name_not_resolved", str(error))
            return []

    async def _listen(self, address: str) -> bool:
        """Follow one replica until its stream ends; whether it told anything."""
        before = self._updates
        try:
            async with self._stream(address) as stream:
                await self._hear(stream, address)
        except VentureBotsError as error:
            self._tell_lost(address, error.code, error.detail)
        except (OSError, ValueError) as error:
            self._tell_lost(address, "no_token", str(error))
        else:
            self._tell_lost(address, "ended", "the operator ended the stream")
        return self._updates > before

    async def _hear(self, stream: StreamSession, address: str) -> None:
        parts = UpdateParts()
        is_first = True
        async for message in stream.messages():
            match message:
                case Update():
                    if update := parts.take(message):
                        await self._apply(update, stream, is_first=is_first)
                        self._tell_connected(address)
                        is_first = False
                case Probe():
                    stream.probe(message)
                case _:
                    assert_never(message)

    @asynccontextmanager
    async def _stream(self, address: str) -> AsyncIterator[StreamSession]:
        async with open_crew_stream(
            address,
            token_file=self._operator.token_file,
            subscription=self._operator.subscription,
        ) as stream:
            session = StreamSession(stream, stats=self._stats, probes=self._probes)
            try:
                yield session
            finally:
                self._is_connected = False
                self._metrics.crew_stream_connected.set(0)
                await session.aclose()

    async def _apply(
        self, update: Update, stream: StreamSession, *, is_first: bool
    ) -> None:
        if is_first and not update.is_whole:
            raise CrewStreamBrokenError("the first update is not whole")
        async with self._applying:
            told = self._told.after(update)
            if not update.is_whole and told.untold - self._in_force.revisions.keys():
                raise CrewStreamBrokenError("a revision to serve was not told")
            in_force, refusals = await self._compile(told, self._in_force)
            self._told = told
            self._put(in_force, refusals, f"stream:{self._address}")
            self._is_told.set()
            self._updates += 1
        stream.send(Answer(update.nonce, refusals))
        self._metrics.crew_updates.labels("refused" if refusals else "applied").inc()
        self._to_keep.set()

    async def _compile(
        self, told: Told, before: InForce
    ) -> tuple[InForce, tuple[Refusal, ...]]:
        # A thread: a thousand crews take seconds, and tokens must not wait for them.
        return await asyncio.to_thread(self._compiler.put, told, before)

    def _put(
        self, in_force: InForce, refusals: tuple[Refusal, ...], source: str
    ) -> None:
        self._in_force = in_force
        refused = tuple(map(str, refusals))
        self._registry.accept(in_force.compiled, source=source, refused=refused)

    async def _keep(self) -> None:
        """Write the last good set after updates, once a second at most."""
        loop = asyncio.get_running_loop()
        while True:
            await self._to_keep.wait()
            self._to_keep.clear()
            began = loop.time()
            await asyncio.to_thread(self._files.write, self._in_force)
            took = loop.time() - began
            await asyncio.sleep(max(_KEEPING_SECONDS, took * _KEEPING_SHARE))

    def _tell_connected(self, address: str) -> None:
        if self._is_connected:
            return
        self._is_connected, self._is_lost_told = True, False
        self._metrics.crew_stream_connected.set(1)
        _logger.info("crew stream connected", address=address)

    def _tell_lost(self, address: str, code: str, detail: str) -> None:
        """Log that there is no stream: once, until there is one again."""
        if not self._is_lost_told:
            _logger.warning(
                "crew stream lost", address=address, code=code, error=detail
            )
        self._is_lost_told = True
