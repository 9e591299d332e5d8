"""One run from its dispatch to its terminal event.

The pump appends what an orchestrator proposes. It may lose the call and attach
again, but only at the address and to the process the run was dispatched to.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import assert_never

import structlog

from libs.errors import ErrorKind, VentureBotsError
from libs.rpc.errors import RemoteError
from services.api_gateway.clients.orchestrator import UNREACHED
from services.api_gateway.errors import (
    OrchestratorUnavailableError,
    RunLostError,
    StoreUnavailableError,
)
from services.api_gateway.founders.reference import founder_ref
from services.api_gateway.runs.directory import Orchestrator, OrchestratorDirectory
from services.api_gateway.runs.turn import Turn
from services.api_gateway.store import (
    ActiveRun,
    Appended,
    DispatchPlace,
    RunProposal,
    RunWork,
    Store,
)
from services.api_gateway.wire.views import RunError

__all__ = ["FOUNDER", "PumpLimits", "RunPump"]

_logger = structlog.get_logger(__name__)

FOUNDER = "founder"
"""Who asked to stop a run, unless somebody else is known to have."""
REFUSED_BEFORE_EXECUTION = frozenset({"instance_mismatch", "draining", UNREACHED})
"""Nothing was executed for certain, so the run may be dispatched again."""


@dataclass(frozen=True, slots=True)
class PumpLimits:
    """How long the pump waits before it gives up."""

    pick_seconds: float = 20.0
    """For an orchestrator that is ready."""
    lost_seconds: float = 15.0
    """For an orchestrator that has the run and is silent."""
    stop_seconds: float = 3.0
    """The same, once the run is to be stopped."""
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

    `cancel_reason` is set once somebody asks to stop it; `has_runnable` tells
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
        turn: Turn,
    ) -> None:
        self._store = store
        self._directory = directory
        self._limits = limits
        self._abandon = abandon
        self._turn = turn
        self._cancel_reason: str | None = None
        self._cancelled_at = 0.0
        self._is_cancelled = asyncio.Event()
        self.has_runnable = False

    @property
    def cancel_reason(self) -> str | None:
        """Why the run is to be stopped; None: it is not."""
        return self._cancel_reason

    @cancel_reason.setter
    def cancel_reason(self, reason: str) -> None:
        self._cancel_reason = reason
        self._cancelled_at = time.monotonic()
        self._is_cancelled.set()

    async def execute(self, work: RunWork) -> None:
        """Dispatch a claimed run and carry it to its end."""
        deadline = datetime.now(UTC) + timedelta(seconds=self._limits.run_seconds)
        place = work.place or await self._dispatch(work.run_id)
        while place is not None:
            if self.cancel_reason is not None:
                # Before the first call and between two nobody was there to be told.
                await self._end_cancelled(work.run_id, self.cancel_reason)
                return
            if await self._execute_at(place, work, deadline):
                return
            await asyncio.sleep(self._limits.reattach_seconds)
            place = await self._dispatch(work.run_id)

    async def _dispatch(self, run_id: str) -> DispatchPlace | None:
        """Commit where the run goes; None: it is over, as nobody can take it."""
        place = await self._pick()
        if self.cancel_reason is not None:
            await self._end_cancelled(run_id, self.cancel_reason)
            return None
        if place is None:
            detail = "no coach is available just now; try again in a moment"
            await self.fail(run_id, OrchestratorUnavailableError(detail))
            return None
        is_open = await self._written(
            lambda: self._store.record_dispatch(run_id, place)
        )
        return place if is_open else None

    async def _pick(self) -> DispatchPlace | None:
        """Wait for an orchestrator, unless the run is to be stopped."""
        wait_seconds = self._limits.pick_seconds
        picking = asyncio.create_task(self._directory.pick(wait_seconds=wait_seconds))
        stopping = asyncio.create_task(self._is_cancelled.wait())
        try:
            await asyncio.wait((picking, stopping), return_when=asyncio.FIRST_COMPLETED)
            return picking.result() if picking.done() else None
        finally:
            picking.cancel()
            stopping.cancel()

    async def _execute_at(
        self, place: DispatchPlace, work: RunWork, deadline: datetime
    ) -> bool:
        """Have a dispatched run executed and carry it to its end.

        False: nothing was executed there, and it may be dispatched again.
        """
        active = ActiveRun(
            run_id=work.run_id,
            session_id=work.session_id,
            address=place.address,
            instance_id=place.instance_id,
            last_offset=0,
            is_cancel_requested=False,
        )
        with self._directory.visit(place.address) as orchestrator:
            events = orchestrator.client.run(
                work,
                founder_ref=founder_ref(work.founder_id),
                instance_id=place.instance_id,
                deadline=deadline,
                traceparent=self._turn.dispatched(place.address),
            )
            try:
                await self._carry_in_time(active, orchestrator, events)
            except RemoteError as error:
                if error.code not in REFUSED_BEFORE_EXECUTION:
                    raise
                _logger.info("run not taken", run_id=work.run_id, code=error.code)
                await self._directory.refresh(orchestrator)
                return False
        return True

    async def resume(self, active: ActiveRun) -> None:
        """Attach to a run that was dispatched earlier and carry it to its end."""
        if active.is_cancel_requested and self.cancel_reason is None:
            self.cancel_reason = FOUNDER
        with self._directory.visit(active.address) as orchestrator:
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
        if events is None:
            events = await self._attach(active.run_id, orchestrator, cursor.offset)
        while not await self._heard_to_end(active, orchestrator, events, cursor):
            if self._is_given_up(orchestrator, cursor.heard):
                self._abandon(orchestrator, active.run_id)
                await self._lose(active)
                return
            await asyncio.sleep(self._limits.reattach_seconds)
            events = await self._attach(active.run_id, orchestrator, cursor.offset)

    async def _heard_to_end(
        self,
        active: ActiveRun,
        orchestrator: Orchestrator,
        events: AsyncGenerator[Sequence[RunProposal]],
        cursor: _Cursor,
    ) -> bool:
        """Follow one call; False: it ended and the run did not."""
        try:
            return await self._follow(active.run_id, events, cursor)
        except RemoteError as error:
            if await self._is_final(active, error, cursor.offset):
                return True
            _logger.info("run stream lost", run_id=active.run_id, code=error.code)
        except TimeoutError:
            await self._directory.refresh(orchestrator)
            if orchestrator.silent_seconds() < self._limits.lost_seconds:
                cursor.heard = time.monotonic()
        return False

    def _is_given_up(self, orchestrator: Orchestrator, heard: float) -> bool:
        """Whether a process is, whose run was last heard of then."""
        now = time.monotonic()
        if self.cancel_reason is None:
            # A call may break while its run thinks: the process answers others.
            heard = max(heard, orchestrator.last_seen)
            return now - heard > self._limits.lost_seconds
        return now - max(heard, self._cancelled_at) > self._limits.stop_seconds

    async def _attach(
        self, run_id: str, orchestrator: Orchestrator, offset: int
    ) -> AsyncGenerator[Sequence[RunProposal]]:
        """Watch again; a wish to stop may have been lost with the connection."""
        if self.cancel_reason is not None:
            with suppress(RemoteError):
                await orchestrator.client.cancel(run_id, reason=self.cancel_reason)
        return orchestrator.client.watch(
            run_id,
            after_offset=offset,
            attached=lambda trace: self._turn.attached(orchestrator.address, trace),
        )

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
        renew_at = now()
        renew_seconds = self._limits.lost_seconds / 10
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
                    renew_at = now() + renew_seconds
                    patience.reschedule(renew_at + self._limits.lost_seconds)
        return False

    async def _is_final(
        self, active: ActiveRun, error: RemoteError, offset: int
    ) -> bool:
        """Whether a failed call ended the run; raises what was never executed."""
        if error.code in REFUSED_BEFORE_EXECUTION and offset == 0:
            raise error
        if not error.is_told:
            return False
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
        if self.cancel_reason is not None:
            await self._end_cancelled(active.run_id, self.cancel_reason)
        else:
            detail = "the coach lost its train of thought; ask it to try again"
            await self.fail(active.run_id, RunLostError(detail))

    async def _end_cancelled(self, run_id: str, reason: str) -> None:
        """End a stopped run that nobody executes any more."""
        appended = await self._written(
            lambda: self._store.end_cancelled_run(run_id, reason)
        )
        self._turn.end("cancelled")
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
        self._turn.end("failed", error.code)
        self.has_runnable |= appended.has_runnable

    async def _append(self, run_id: str, proposals: Sequence[RunProposal]) -> Appended:
        appended = await self._written(
            lambda: self._store.append_run_events(run_id, proposals)
        )
        self._turn.take(proposals, appended)
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
