"""One run from its dispatch to its terminal event.

The pump appends what an orchestrator proposes. It may lose the call and attach
again, but only at the address and to the process the run was dispatched to.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import assert_never

import structlog

from libs.errors import ErrorKind, VentureBotsError
from libs.rpc.errors import RemoteError
from services.api_gateway.errors import (
    OrchestratorUnavailableError,
    RunLostError,
    StoreUnavailableError,
)
from services.api_gateway.runs.directory import Orchestrator, OrchestratorDirectory
from services.api_gateway.store import (
    ActiveRun,
    Appended,
    RunProposal,
    RunWork,
    Store,
)
from services.api_gateway.wire.views import RunError

__all__ = ["PumpLimits", "RunPump"]

_logger = structlog.get_logger(__name__)

_FOUNDER_REFS = uuid.UUID("8f4a2a53-1a0b-4d3f-9f65-1c9a5c1d7c11")

REFUSED_BEFORE_EXECUTION = frozenset({"instance_mismatch", "draining"})
"""The peer told that it executed nothing, so the run may be dispatched again."""


@dataclass(frozen=True, slots=True)
class PumpLimits:
    """How long the pump waits before it gives up."""

    pick_seconds: float = 20.0
    """For an orchestrator that is ready."""
    lost_seconds: float = 15.0
    """For an orchestrator that has the run and is silent."""
    run_seconds: float = 600.0
    """The deadline every run is given."""
    overdue_seconds: float = 30.0
    """How long after its deadline an orchestrator may take to end a run."""
    reattach_seconds: float = 0.2
    store_retry_seconds: float = 0.5


@dataclass(slots=True)
class _Cursor:
    """How far a run was followed, and when something was last heard of it."""

    offset: int
    heard: float


class RunPump:
    """Carries one run.

    `is_cancelled` is set once somebody asked to stop it; `has_runnable` tells
    afterwards whether the session's next run may begin. `abandon` is given a run
    whose process is silent, to be stopped there if it comes back.
    """

    def __init__(
        self,
        *,
        store: Store,
        directory: OrchestratorDirectory,
        limits: PumpLimits,
        abandon: Callable[[Orchestrator, str], None],
    ) -> None:
        self._store = store
        self._directory = directory
        self._limits = limits
        self._abandon = abandon
        self.is_cancelled = False
        self.has_runnable = False

    async def execute(self, work: RunWork) -> None:
        """Dispatch a claimed run and carry it to its end."""
        deadline = datetime.now(UTC) + timedelta(seconds=self._limits.run_seconds)
        while True:
            chosen = await self._directory.pick(wait_seconds=self._limits.pick_seconds)
            if chosen is None or chosen.description is None:
                detail = "no coach is available just now; try again in a moment"
                await self.fail(work.run_id, OrchestratorUnavailableError(detail))
                return
            instance_id = chosen.description.instance_id
            if not await self._record(work.run_id, chosen.address, instance_id):
                return
            if self.is_cancelled:
                # Between two dispatches nobody was there to be told.
                await self._end_cancelled(work.run_id)
                return
            events = chosen.client.run(
                work,
                founder_ref=str(uuid.uuid5(_FOUNDER_REFS, work.founder_id)),
                instance_id=instance_id,
                deadline=deadline,
            )
            active = ActiveRun(
                run_id=work.run_id,
                session_id=work.session_id,
                address=chosen.address,
                instance_id=instance_id,
                last_offset=0,
                is_cancel_requested=False,
            )
            try:
                await self._carry_in_time(active, chosen, events)
            except RemoteError as error:
                if error.code not in REFUSED_BEFORE_EXECUTION:
                    raise
                await self._directory.refresh(chosen)
                await asyncio.sleep(self._limits.reattach_seconds)
            else:
                return

    async def resume(self, active: ActiveRun) -> None:
        """Attach to a run that was dispatched earlier and carry it to its end."""
        self.is_cancelled = self.is_cancelled or active.is_cancel_requested
        orchestrator = self._directory.find(active.address)
        await self._carry_in_time(active, orchestrator, None)

    async def _carry_in_time(
        self,
        active: ActiveRun,
        orchestrator: Orchestrator,
        events: AsyncGenerator[Sequence[RunProposal]] | None,
    ) -> None:
        """Follow the run, but no longer than any run may take."""
        limits = self._limits
        patience = asyncio.timeout(limits.run_seconds + limits.overdue_seconds)
        try:
            async with patience:
                await self._carry(active, orchestrator, events)
        except TimeoutError:
            if not patience.expired():
                raise
            _logger.warning("run overdue", run_id=active.run_id)
            self._abandon(orchestrator, active.run_id)
            await self._lose(active)

    async def _carry(
        self,
        active: ActiveRun,
        orchestrator: Orchestrator,
        events: AsyncGenerator[Sequence[RunProposal]] | None,
    ) -> None:
        """Follow the run, attaching again as long as its process may live."""
        cursor = _Cursor(offset=active.last_offset, heard=time.monotonic())
        while time.monotonic() - cursor.heard <= self._limits.lost_seconds:
            if events is None:
                events = await self._attach(active.run_id, orchestrator, cursor.offset)
            try:
                if await self._follow(active.run_id, events, cursor):
                    return
            except RemoteError as error:
                if await self._is_final(active, error, cursor.offset):
                    return
                _logger.info("run stream lost", run_id=active.run_id, code=error.code)
            except TimeoutError:
                await self._directory.refresh(orchestrator)
                if orchestrator.silent_seconds() < self._limits.lost_seconds:
                    cursor.heard = time.monotonic()
            events = None
            await asyncio.sleep(self._limits.reattach_seconds)
        self._abandon(orchestrator, active.run_id)
        await self._lose(active)

    async def _attach(
        self, run_id: str, orchestrator: Orchestrator, offset: int
    ) -> AsyncGenerator[Sequence[RunProposal]]:
        """Watch again; a wish to stop may have been lost with the connection."""
        if self.is_cancelled:
            with suppress(RemoteError):
                await orchestrator.client.cancel(run_id, reason="founder")
        return orchestrator.client.watch(run_id, after_offset=offset)

    async def _follow(
        self,
        run_id: str,
        events: AsyncGenerator[Sequence[RunProposal]],
        cursor: "_Cursor",
    ) -> bool:
        """Append what comes; True: the run is over; TimeoutError: silence.

        A gap in the offsets ends it too: what is missing is asked for again.
        """
        now = asyncio.get_running_loop().time
        renew_at = 0.0
        async with (
            asyncio.timeout(self._limits.lost_seconds) as patience,
            aclosing(events),
        ):
            async for proposals in events:
                appended = await self._append(run_id, proposals)
                if appended.is_over:
                    return True
                cursor.offset = appended.last_offset
                if proposals and appended.last_offset < proposals[-1].offset:
                    return False
                cursor.heard = time.monotonic()
                if now() >= renew_at:
                    # A new timer for every event would cost more than the event.
                    renew_at = now() + self._limits.lost_seconds / 10
                    patience.reschedule(renew_at + self._limits.lost_seconds)
        return False

    async def _is_final(
        self, active: ActiveRun, error: RemoteError, offset: int
    ) -> bool:
        """Whether a failed call ended the run; raises what was never executed."""
        if not error.is_told:
            return False
        if error.code in REFUSED_BEFORE_EXECUTION and offset == 0:
            raise error
        match error.kind:
            case ErrorKind.NOT_FOUND:
                await self._lose(active)
            case ErrorKind.UNAVAILABLE:
                return False
            case (
                ErrorKind.EXHAUSTED
                | ErrorKind.INVALID
                | ErrorKind.CONFLICT
                | ErrorKind.PRECONDITION
                | ErrorKind.UNAUTHENTICATED
                | ErrorKind.FORBIDDEN
                | ErrorKind.INTERNAL
            ):
                await self.fail(active.run_id, error)
            case _:
                assert_never(error.kind)
        return True

    async def _lose(self, active: ActiveRun) -> None:
        """End a run whose process is gone."""
        if self.is_cancelled:
            await self._end_cancelled(active.run_id)
        else:
            detail = "the coach lost its train of thought; ask it to try again"
            await self.fail(active.run_id, RunLostError(detail))

    async def _end_cancelled(self, run_id: str) -> None:
        """End a stopped run that nobody executes any more."""
        appended = await self._written(
            lambda: self._store.end_cancelled_run(run_id, "founder")
        )
        self.has_runnable |= appended.has_runnable

    async def fail(self, run_id: str, error: VentureBotsError) -> None:
        """End a run that can go no further."""
        told = RunError(
            code=error.code,
            detail=error.detail,
            retryable=error.retryable,
            retry_after_ms=error.retry_after_ms,
        )
        appended = await self._written(lambda: self._store.fail_run(run_id, told))
        self.has_runnable |= appended.has_runnable

    async def _record(self, run_id: str, address: str, instance_id: str) -> bool:
        return await self._written(
            lambda: self._store.record_dispatch(run_id, address, instance_id)
        )

    async def _append(self, run_id: str, proposals: Sequence[RunProposal]) -> Appended:
        appended = await self._written(
            lambda: self._store.append_run_events(run_id, proposals)
        )
        self.has_runnable |= appended.has_runnable
        return appended

    async def _written[T](self, write: Callable[[], Awaitable[T]]) -> T:
        """Write, waiting for a store that cannot take writes just now.

        The orchestrator keeps the run's events meanwhile: nothing is lost.
        """
        while True:
            try:
                return await write()
            except StoreUnavailableError as error:
                _logger.warning("store unavailable", detail=error.detail)
                await asyncio.sleep(self._limits.store_retry_seconds)
