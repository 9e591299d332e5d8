"""Every run this gateway carries: claiming, adopting, stopping, handing over."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import structlog
from prometheus_client import Counter, Gauge

from libs.errors import ErrorKind, VentureBotsError
from services.api_gateway.errors import RunInterruptedError
from services.api_gateway.runs.directory import Orchestrator, OrchestratorDirectory
from services.api_gateway.runs.pump import PumpLimits, RunPump
from services.api_gateway.store import ActiveRun, Store

__all__ = ["RunService"]

_logger = structlog.get_logger(__name__)

CLAIM_LIMIT = 64
LEASE_SECONDS = 5.0
ABANDON_TRIES = 60
ABANDON_SECONDS = 2.0
STOP_TRIES = 8
STOP_SECONDS = 0.5

_ACTIVE = Gauge("venturebots_gateway_active_runs", "Runs this gateway carries.")
_ENDED = Counter("venturebots_gateway_runs_total", "Runs carried to their end.")


class RunService:
    """Carries runs, each in a task of its own."""

    def __init__(
        self,
        *,
        owner: str,
        store: Store,
        directory: OrchestratorDirectory,
        limits: PumpLimits | None = None,
    ) -> None:
        self._owner = owner
        self._store = store
        self._directory = directory
        self._limits = limits or PumpLimits()
        self._pumps: dict[str, RunPump] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Take over what an earlier gateway left, then claim what waits."""
        await self._directory.start()
        await self._keep_leases()
        self._loops = [
            asyncio.create_task(self._claim_forever()),
            asyncio.create_task(self._lease_forever()),
        ]

    async def aclose(self) -> None:
        """Let go of every run; they go on and are adopted by the next start."""
        tasks = [*self._loops, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._directory.aclose()

    def wake(self) -> None:
        """Say that a run may be runnable now."""
        self._wake.set()

    def orchestrators(self) -> list[Orchestrator]:
        """Every orchestrator asked now, as it was last seen."""
        return self._directory.seen()

    async def stop_run(self, active: ActiveRun, reason: str) -> None:
        """Ask the run's orchestrator to stop it; its end comes on its stream."""
        pump = self._pumps.get(active.run_id)
        if pump is not None:
            pump.is_cancelled = True
        self._spawn(self._stop(active, reason))

    async def _stop(self, active: ActiveRun, reason: str) -> None:
        client = self._directory.find(active.address).client
        for _ in range(STOP_TRIES):
            try:
                await client.cancel(active.run_id, reason=reason)
            except VentureBotsError as error:
                if error.kind is ErrorKind.NOT_FOUND:
                    # Not there yet (the call is on its way) or not there any more:
                    # the run's own pump tells which.
                    _logger.info("run to stop not found", run_id=active.run_id)
                await asyncio.sleep(STOP_SECONDS)
            else:
                return

    async def _claim_forever(self) -> None:
        while True:
            self._wake.clear()
            try:
                claimed = await self._store.claim_runnable(self._owner, CLAIM_LIMIT)
            except VentureBotsError as error:
                _logger.warning("runs not claimed", code=error.code)
                claimed = []
            except Exception:  # nobody else would claim again
                _logger.exception("runs not claimed")
                claimed = []
            for work in claimed:
                pump = self._new_pump(work.run_id)
                self._spawn(self._carry(work.run_id, pump, pump.execute(work)))
            if len(claimed) < CLAIM_LIMIT:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), LEASE_SECONDS)

    async def _lease_forever(self) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS)
            try:
                await self._keep_leases()
            except Exception:  # nobody else would renew again
                _logger.exception("leases not renewed")

    async def _keep_leases(self) -> None:
        """Renew and adopt; a store that takes no writes just now is asked again."""
        try:
            await self._store.renew_leases(self._owner)
            await self._adopt()
        except VentureBotsError as error:
            _logger.warning("leases not renewed", code=error.code)

    async def _adopt(self) -> None:
        for active in await self._store.adopt_runs(self._owner):
            if active.run_id in self._pumps:
                continue
            _logger.info("run adopted", run_id=active.run_id, address=active.address)
            pump = self._new_pump(active.run_id)
            self._spawn(self._carry(active.run_id, pump, pump.resume(active)))
            if active.is_cancel_requested:
                await self.stop_run(active, "founder")

    def _new_pump(self, run_id: str) -> RunPump:
        pump = RunPump(
            store=self._store,
            directory=self._directory,
            limits=self._limits,
            abandon=self._abandon,
        )
        self._pumps[run_id] = pump
        return pump

    async def _carry(
        self, run_id: str, pump: RunPump, carrying: Coroutine[Any, Any, None]
    ) -> None:
        _ACTIVE.inc()
        try:
            await carrying
            _ENDED.inc()
        except Exception:
            _logger.exception("pump failed", run_id=run_id)
            detail = "the coach could not go on; try again"
            await pump.fail(run_id, RunInterruptedError(detail))
        finally:
            _ACTIVE.dec()
            del self._pumps[run_id]
            if pump.has_runnable:
                self.wake()

    def _abandon(self, orchestrator: Orchestrator, run_id: str) -> None:
        self._spawn(self._stop_when_back(orchestrator, run_id))

    async def _stop_when_back(self, orchestrator: Orchestrator, run_id: str) -> None:
        """Spare the tokens of a run that was given up, should its process return."""
        for _ in range(ABANDON_TRIES):
            try:
                await orchestrator.client.cancel(run_id, reason="lost")
            except VentureBotsError as error:
                if error.kind is ErrorKind.NOT_FOUND:
                    return
                await asyncio.sleep(ABANDON_SECONDS)
            else:
                return

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
