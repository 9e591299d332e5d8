"""All runs of this process: each id executes at most once."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from libs.errors import VentureBotsError
from services.orchestrator.config import EventLogs
from services.orchestrator.engine import (
    CrewEngine,
    EngineEvent,
    MessageDelta,
)
from services.orchestrator.errors import (
    DrainingError,
    InvalidRunError,
    NotReadyError,
    RunUnknownError,
)
from services.orchestrator.runs.admission import Admission, Ticket
from services.orchestrator.runs.event_log import Encode, EventLog
from services.orchestrator.runs.events import (
    RunCancelled,
    RunFailed,
    RunQueued,
    RunState,
)
from services.orchestrator.runs.observation import Observation, RunObserver
from services.orchestrator.runs.recorder import Recorder
from services.orchestrator.runs.run import Run, RunRequest

__all__ = ["RunRegistry", "RunStatus"]

_logger = structlog.get_logger(__name__)
_STOP_SECONDS: Final = 2.0
"""A run stops within 200 ms of being told to."""
_UNREAD_SECONDS: Final = 30.0
"""For how long an end waits for its reader: a gateway may be starting anew."""
_UNREAD_POLL_SECONDS: Final = 0.1
_REMEMBERED_IDS: Final = 200_000
"""Ids of runs whose events are gone: they must not execute again."""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Where a run stands."""

    state: RunState
    last_offset: int


class RunRegistry:
    """Starts, keeps, tells and forgets runs; `run_ended` hears of every end."""

    def __init__(
        self,
        *,
        engine: CrewEngine,
        admission: Admission,
        encode: Encode,
        event_logs: EventLogs,
        observation: Observation,
        run_ended: Callable[[Run], None] = lambda _: None,
    ) -> None:
        self._run_ended = run_ended
        self._engine = engine
        self._admission = admission
        self._encode = encode
        self._event_logs = event_logs
        self._observation = observation
        self._metrics = metrics = observation.metrics
        self._runs: dict[str, Run] = {}
        self._forgotten: OrderedDict[str, None] = OrderedDict()
        self._sweeper: asyncio.TimerHandle | None = None
        self._all_ended = asyncio.Event()
        self._all_ended.set()
        self._unended = 0
        self.is_ready = False
        self.is_draining = False
        metrics.active_runs.set_function(lambda: admission.active_runs)
        metrics.queued_runs.set_function(lambda: admission.queued_runs)
        metrics.stuck_tool_threads.set_function(lambda: engine.stuck_tool_threads)
        metrics.kept_events_bytes.set_function(self._kept_bytes)

    @property
    def active_runs(self) -> int:
        """How many runs execute."""
        return self._admission.active_runs

    @property
    def queued_runs(self) -> int:
        """How many runs wait for a place."""
        return self._admission.queued_runs

    def knows(self, run_id: str) -> bool:
        """Tell whether the run was started here, even if its events are gone."""
        return run_id in self._runs or run_id in self._forgotten

    def start(self, request: RunRequest) -> None:
        """Start a run in a task of its own.

        Raises InvalidRunError when the id is known, NotReadyError, DrainingError
        or OverloadedError; then nothing was executed and the id stays unknown.
        """
        self.refuse_unless_serving()
        run_id = request.plan.run_id
        if self.knows(run_id):
            raise InvalidRunError(f"run {run_id!r} was started before")
        try:
            run = self._registered(request)
        except VentureBotsError as error:
            self._metrics.refused_runs.labels(error.code).inc()
            raise
        _logger.info(
            "run accepted",
            run_id=run.run_id,
            session_id=request.plan.session_id,
            founder_ref=request.plan.founder_ref,
            crew=request.started.crew,
        )
        self._sweep_later()

    def follow(self, run_id: str, after_offset: int) -> AsyncGenerator[bytes]:
        """Give a run's encoded events after an offset, until its end.

        Raises RunUnknownError at once, EventsDroppedError while reading.
        """
        return self._run(run_id).log.follow(after_offset)

    def traceparent(self, run_id: str) -> str:
        """Name the span of a run; empty when it is not traced or not known."""
        run = self._runs.get(run_id)
        return "" if run is None else run.traceparent

    def cancel(self, run_id: str, reason: str) -> RunState:
        """Ask a run to stop and return where it stands now."""
        run = self._run(run_id)
        run.cancel(reason)
        return run.state

    def status(self, run_id: str) -> RunStatus:
        """Tell where a run stands; raises RunUnknownError."""
        run = self._run(run_id)
        return RunStatus(state=run.state, last_offset=run.log.last_offset)

    async def drain(self, grace_seconds: float) -> None:
        """Take no new runs, let the others end and be read, stop those that do not.

        A run that does not even stop when it is told to ends without its engine.
        """
        self.is_draining = True
        _logger.info("draining", unended_runs=self._unended)
        try:
            async with asyncio.timeout(grace_seconds):
                await self._all_ended.wait()
                await self._all_read()
        except TimeoutError:
            if self._unended:
                _logger.warning("runs stopped by shutdown", unended_runs=self._unended)
        for run in self._runs.values():
            run.cancel("shutdown")
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._all_ended.wait()
        except TimeoutError:
            stuck = [run for run in self._runs.values() if run.outcome is None]
            _logger.warning("runs abandoned", run_ids=[run.run_id for run in stuck])
            for run in stuck:
                run.abandon()
        if self._sweeper is not None:
            self._sweeper.cancel()

    async def _all_read(self) -> None:
        """Wait for those who are to read what ended just now."""
        while True:
            since = asyncio.get_running_loop().time() - _UNREAD_SECONDS
            recent = [run for run in self._runs.values() if run.has_ended_after(since)]
            if all(run.log.is_read for run in recent):
                return
            await asyncio.sleep(_UNREAD_POLL_SECONDS)

    def refuse_unless_serving(self) -> None:
        """Refuse new runs, before their crew is looked for: it may not be there yet.

        Raises NotReadyError and DrainingError.
        """
        try:
            if self.is_draining:
                raise DrainingError("this process is stopping; ask another")
            if not self.is_ready:
                raise NotReadyError("this process is warming up", retry_after_ms=1_000)
        except VentureBotsError as error:
            self._metrics.refused_runs.labels(error.code).inc()
            raise

    def _registered(self, request: RunRequest) -> Run:
        log = EventLog(encode=self._encode, max_bytes=self._event_logs.run_bytes)
        recorder = Recorder(log=log)
        run = Run(
            run_id=request.plan.run_id,
            crew=request.started.crew,
            log=log,
            recorder=recorder,
            digest=request.started.digest,
        )
        ticket = self._admission.enter(
            request.plan.founder_ref,
            lambda position: recorder.write(RunQueued(position)),
        )
        observer = RunObserver(
            self._observation, request.plan, traceparent=request.traceparent
        )
        run.traceparent = observer.traceparent
        self._runs[run.run_id] = run
        self._unended += 1
        self._all_ended.clear()
        arrived_at = asyncio.get_running_loop().time()

        async def admit() -> None:
            observer.bind(request.plan)
            await self._admission.wait(ticket)
            waited = asyncio.get_running_loop().time() - arrived_at
            self._metrics.queue_seconds.observe(waited)

        def emit(event: EngineEvent) -> None:
            if not isinstance(event, MessageDelta):
                observer.hear(event)
            recorder.emit(event)

        run.begin(
            request,
            admit=admit,
            run_engine=lambda plan: self._engine.run(plan, emit),
            ended=lambda: self._ended(run, ticket, observer),
        )
        return run

    def _ended(self, run: Run, ticket: Ticket, observer: RunObserver) -> None:
        self._admission.leave(ticket)
        if run.outcome is not None:
            observer.end(run.outcome)
        self._unended -= 1
        if not self._unended:
            self._all_ended.set()
        self._run_ended(run)
        crew = run.crew
        code = run.outcome.error.code if isinstance(run.outcome, RunFailed) else ""
        reason = run.outcome.reason if isinstance(run.outcome, RunCancelled) else ""
        self._metrics.ended_runs.labels(crew, run.state.value, code).inc()
        if run.started_at is not None and run.ended_at is not None:
            self._metrics.run_seconds.labels(crew).observe(
                run.ended_at - run.started_at
            )
            if run.recorder.first_text_at is not None:
                waited = run.recorder.first_text_at - run.started_at
                self._metrics.first_text_seconds.labels(crew).observe(waited)
        _logger.info(
            "run ended",
            run_id=run.run_id,
            state=run.state.value,
            code=code,
            reason=reason,
            last_offset=run.log.last_offset,
        )

    def _run(self, run_id: str) -> Run:
        try:
            return self._runs[run_id]
        except KeyError:
            raise RunUnknownError(
                f"run {run_id!r} is not known here, or its events are no longer kept"
            ) from None

    def _kept_bytes(self) -> int:
        return sum(run.log.size_bytes for run in self._runs.values())

    def _sweep_later(self) -> None:
        if self._sweeper is None:
            loop = asyncio.get_running_loop()
            self._sweeper = loop.call_later(self._event_logs.sweep_seconds, self._sweep)

    def _sweep(self) -> None:
        """Forget runs that ended long ago, and the oldest when memory is short."""
        self._sweeper = None
        limits = self._event_logs
        now = asyncio.get_running_loop().time()
        kept = self._kept_bytes()
        ended = [run for run in self._runs.values() if run.ended_at is not None]
        for run in sorted(ended, key=lambda run: run.ended_at or now):
            is_old = now - (run.ended_at or now) >= limits.kept_seconds
            if not is_old and kept <= limits.total_bytes:
                break
            kept -= run.log.size_bytes
            self._forget(run)
        if self._runs:
            self._sweep_later()

    def _forget(self, run: Run) -> None:
        run.log.discard()
        del self._runs[run.run_id]
        self._forgotten[run.run_id] = None
        if len(self._forgotten) > _REMEMBERED_IDS:
            self._forgotten.popitem(last=False)
