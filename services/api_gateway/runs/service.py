"""Every run this gateway carries: claiming, adopting, stopping, handing over."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

import structlog

from libs.errors import ErrorKind, VentureBotsError
from services.api_gateway.errors import RunInterruptedError
from services.api_gateway.runs.directory import Orchestrator, OrchestratorDirectory
from services.api_gateway.runs.pump import FOUNDER, PumpLimits, RunPump
from services.api_gateway.runs.turn import Turn
from services.api_gateway.store import ActiveRun, RunWork, Store
from services.api_gateway.telemetry import GatewayTelemetry

__all__ = ["RunService"]

_logger = structlog.get_logger(__name__)

CLAIM_LIMIT = 64
LEASE_SECONDS = 5.0
ABANDON_TRIES = 60
ABANDON_SECONDS = 2.0
STOP_TRIES = 8
STOP_SECONDS = 0.5


class RunService:
    """Carries runs, each in a task of its own."""

    def __init__(
        self,
        *,
        owner: str,
        store: Store,
        directory: OrchestratorDirectory,
        limits: PumpLimits | None = None,
        telemetry: GatewayTelemetry | None = None,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        """Carry runs as `owner`, which says every `lease_seconds` that it lives."""
        self._owner = owner
        self._lease_seconds = lease_seconds
        self._store = store
        self._directory = directory
        self._limits = limits or PumpLimits()
        self._telemetry = telemetry or GatewayTelemetry.unread()
        self._telemetry.metrics.active_runs.set_function(lambda: len(self._pumps))
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
            pump.cancel_reason = reason
        self._spawn(self._stop(active, reason))

    async def _stop(self, active: ActiveRun, reason: str) -> None:
        with self._directory.visit(active.address) as orchestrator:
            for _ in range(STOP_TRIES):
                try:
                    await orchestrator.client.cancel(active.run_id, reason=reason)
                except VentureBotsError as error:
                    if error.kind is ErrorKind.NOT_FOUND:
                        # Not there yet (the call is on its way) or not there any
                        # more: the run's own pump tells which.
                        _logger.info("run to stop not found", run_id=active.run_id)
                    await asyncio.sleep(STOP_SECONDS)
                else:
                    return

    async def _claim_forever(self) -> None:
        while True:
            self._wake.clear()
            try:
                claimed = await self._claim()
            except VentureBotsError as error:
                _logger.warning("runs not claimed", code=error.code)
                claimed = []
            except Exception:  # nobody else would claim again
                _logger.exception("runs not claimed")
                claimed = []
            for work in claimed:
                turn = Turn(self._telemetry, work.run_id, work)
                pump = self._new_pump(work.run_id, turn)
                self._spawn(self._carry(work.run_id, pump, turn, pump.execute(work)))
            if len(claimed) < CLAIM_LIMIT:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self._lease_seconds)

    async def _claim(self) -> list[RunWork]:
        """Claim what waits; dispatched at once where an orchestrator is ready."""
        places = self._directory.places(CLAIM_LIMIT)
        claimed = await self._store.claim_runnable(self._owner, CLAIM_LIMIT, places)
        for work in claimed:
            if work.place is not None:
                self._directory.count_dispatch(work.place.address)
        return claimed

    async def _lease_forever(self) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds)
            try:
                await self._keep_leases()
                self._telemetry.metrics.waiting_runs.set(
                    await self._store.waiting_runs()
                )
            except Exception:  # nobody else would renew again
                _logger.exception("leases not renewed")

    async def _keep_leases(self) -> None:
        """Renew and adopt; a store that takes no writes just now is asked again."""
        try:
            held = await self._store.renew_leases(self._owner)
            await self._resume(held.dispatched)
            await self._release(held.undispatched)
            await self._resume(await self._store.adopt_runs(self._owner))
        except VentureBotsError as error:
            _logger.warning("leases not renewed", code=error.code)

    async def _release(self, claimed: Sequence[str]) -> None:
        """Give back claims whose commit was told to have failed, and did not."""
        unknown = [run_id for run_id in claimed if run_id not in self._pumps]
        if unknown:
            _logger.warning("claims given back", runs=len(unknown))
            await self._store.release_claims(self._owner, unknown)
            self.wake()

    async def _resume(self, dispatched: Sequence[ActiveRun]) -> None:
        """Carry runs that nobody carries."""
        for active in dispatched:
            if active.run_id in self._pumps:
                continue
            _logger.info("run adopted", run_id=active.run_id, address=active.address)
            turn = Turn(self._telemetry, active.run_id)
            pump = self._new_pump(active.run_id, turn)
            self._spawn(self._carry(active.run_id, pump, turn, pump.resume(active)))
            if active.is_cancel_requested:
                await self.stop_run(active, FOUNDER)

    def _new_pump(self, run_id: str, turn: Turn) -> RunPump:
        pump = RunPump(
            store=self._store,
            directory=self._directory,
            limits=self._limits,
            abandon=self._abandon,
            turn=turn,
        )
        self._pumps[run_id] = pump
        return pump

    async def _carry(
        self,
        run_id: str,
        pump: RunPump,
        turn: Turn,
        carrying: Coroutine[Any, Any, None],
    ) -> None:
        turn.bind()
        try:
            await carrying
        except Exception:
            _logger.exception("pump failed", run_id=run_id)
            detail = "the coach could not go on; try again"
            await pump.fail(run_id, RunInterruptedError(detail))
        finally:
            turn.leave()
            del self._pumps[run_id]
            if pump.has_runnable:
                self.wake()

    def _abandon(self, orchestrator: Orchestrator, run_id: str) -> None:
        self._spawn(self._stop_when_back(orchestrator.address, run_id))

    async def _stop_when_back(self, address: str, run_id: str) -> None:
        """Spare the tokens of a run that was given up, should its process return."""
        with self._directory.visit(address) as orchestrator:
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
