"""What goes on beside the reading of one stream: stats are told, probes run."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from typing import Final

from services.orchestrator.clients.crew_discovery import (
    CrewStream,
    Incoming,
    Outgoing,
)
from services.orchestrator.crews.probes import Probe, ProbeRunner
from services.orchestrator.crews.rollout_stats import RevisionStats, RolloutStats

__all__ = ["StreamSession"]

_STATS_SECONDS: Final = 1.0


class StreamSession:
    """One stream from its subscription to its end; nothing outlives it."""

    def __init__(
        self, stream: CrewStream, *, stats: RolloutStats, probes: ProbeRunner
    ) -> None:
        self._stream = stream
        self._stats = stats
        self._probes = probes
        self._running: set[asyncio.Task[None]] = set()
        self._probe_ids: set[str] = set()
        self._begin(self._tell_stats())

    def messages(self) -> AsyncGenerator[Incoming]:
        """Give what the operator says; raises RemoteError when the call is lost."""
        return self._stream.messages()

    def send(self, message: Outgoing) -> None:
        """Answer; never waits."""
        self._stream.send(message)

    def probe(self, probe: Probe) -> None:
        """Run a probe and answer it; one that is asked twice is answered once."""
        if probe.probe_id not in self._probe_ids:
            self._probe_ids.add(probe.probe_id)
            self._begin(self._answer(probe))

    async def aclose(self) -> None:
        """Stop what is under way: nobody hears of it."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answer(self, probe: Probe) -> None:
        self.send(await self._probes.run(probe))

    async def _tell_stats(self) -> None:
        """Tell all counts once, then those that change, once a second at most."""
        sent: frozenset[RevisionStats] = frozenset()
        while True:
            self._stats.changed.clear()
            counted = frozenset(self._stats.told())
            for stats in counted - sent:
                self.send(stats)
            sent = counted
            await asyncio.sleep(_STATS_SECONDS)
            await self._stats.changed.wait()
