"""One run: from admission to its single terminal event."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

import structlog

from libs.errors import VentureBotsError
from services.orchestrator.engine import EndStatus, RunPlan
from services.orchestrator.errors import RunFailedError, RunTimeoutError
from services.orchestrator.pace import PACE
from services.orchestrator.runs.event_log import EventLog
from services.orchestrator.runs.events import (
    RunCancelled,
    RunFailed,
    RunFinished,
    RunOutcome,
    RunStarted,
    RunState,
)
from services.orchestrator.runs.recorder import Recorder

__all__ = ["Run", "RunRequest"]

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What the gateway asks for, less the crew, which is pinned on arrival."""

    plan: RunPlan
    deadline: datetime | None
    run_timeout_seconds: float
    started: RunStarted
    traceparent: str = ""
    """The caller's span."""


@dataclass(slots=True, eq=False)
class Run:
    """A run for as long as its events are kept; the plan goes when it ends."""

    run_id: str
    crew: str
    log: EventLog
    recorder: Recorder
    digest: str = ""
    state: RunState = RunState.QUEUED
    outcome: RunOutcome | None = None
    started_at: float | None = None
    ended_at: float | None = None
    traceparent: str = ""
    _cancel_reason: str | None = None
    _task: asyncio.Task[None] | None = None
    _has_begun: bool = False

    def has_ended_after(self, moment: float) -> bool:
        """Whether it ended, and later than that; on the loop's clock."""
        return self.ended_at is not None and self.ended_at > moment

    def begin(
        self,
        request: RunRequest,
        *,
        admit: Callable[[], Awaitable[None]],
        run_engine: Callable[[RunPlan], Awaitable[None]],
        ended: Callable[[], None],
    ) -> None:
        """Execute in a task of its own, whoever watches or stops watching.

        `admit` waits for a place; `ended` is called after the terminal event.
        Call once.
        """

        async def execute() -> None:
            self._has_begun = True
            outcome: RunOutcome | None = None
            try:
                if self._cancel_reason is None:
                    outcome = await self._execute(request, admit, run_engine)
            except asyncio.CancelledError as error:
                if self._cancel_reason is None:
                    outcome = self._unforeseen(error)
            finally:
                try:
                    self._end(outcome or RunCancelled(self._cancel_reason or ""))
                finally:
                    ended()

        self._task = asyncio.create_task(execute(), name=f"run {self.run_id}")

    def cancel(self, reason: str) -> None:
        """Stop the run; again, or after its end, this does nothing."""
        if self.outcome is not None or self._cancel_reason is not None:
            return
        self._cancel_reason = reason
        # A task that never began would end without its terminal event.
        if self._has_begun and self._task is not None:
            self._task.cancel()

    def abandon(self) -> None:
        """End a cancelled run now, whatever its engine still does."""
        if self.outcome is None:
            self._end(RunCancelled(self._cancel_reason or ""))

    async def _execute(
        self,
        request: RunRequest,
        admit: Callable[[], Awaitable[None]],
        run_engine: Callable[[RunPlan], Awaitable[None]],
    ) -> RunOutcome:
        loop = asyncio.get_running_loop()
        until = _loop_time(request.deadline)
        limit = asyncio.timeout_at(until)
        try:
            async with limit:
                await admit()
                self.state = RunState.ACTIVE
                self.started_at = loop.time()
                limit.reschedule(
                    min(until, self.started_at + request.run_timeout_seconds)
                )
                self.recorder.write(request.started)
                with PACE.kept():
                    await run_engine(request.plan)
        except TimeoutError as error:
            if limit.expired():
                return RunFailed(RunTimeoutError("the run took too long; try again"))
            return self._unforeseen(error)
        except VentureBotsError as error:
            return RunFailed(error)
        except Exception as error:  # noqa: BLE001 - a run always ends with an event
            return self._unforeseen(error)
        return RunFinished()

    def _unforeseen(self, error: BaseException) -> RunFailed:
        _logger.error("run failed", run_id=self.run_id, exc_info=error)
        return RunFailed(RunFailedError("the run failed unexpectedly; try again"))

    def _end(self, outcome: RunOutcome) -> None:
        if self.outcome is not None:
            return
        try:
            self._tell_end(outcome)
        except Exception as error:  # noqa: BLE001 - a run always ends with an event
            # No message can hold what is to be told: that there is an end, it can.
            self._tell_end(self._unforeseen(error))

    def _tell_end(self, outcome: RunOutcome) -> None:
        match outcome:
            case RunFinished():
                self.state, left_open = RunState.FINISHED, EndStatus.FAILED
            case RunFailed():
                self.state, left_open = RunState.FAILED, EndStatus.FAILED
            case RunCancelled():
                self.state, left_open = RunState.CANCELLED, EndStatus.CANCELLED
            case _:
                assert_never(outcome)
        self.outcome = outcome
        self.ended_at = asyncio.get_running_loop().time()
        self.recorder.end(outcome, left_open)


def _loop_time(moment: datetime | None) -> float:
    if moment is None:
        return math.inf
    left = moment - datetime.now(moment.tzinfo)
    return asyncio.get_running_loop().time() + left.total_seconds()
