"""Conversations that no founder sees: a revision is tried before it is trusted."""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from libs.errors import VentureBotsError
from services.orchestrator.crews.registry import CrewRegistry
from services.orchestrator.engine import (
    CrewEngine,
    EngineEvent,
    MessageDelta,
    RunPlan,
    StepStarted,
)
from services.orchestrator.errors import RunFailedError, RunTimeoutError
from services.orchestrator.runs.events import RunCancelled, RunFailed, RunFinished
from services.orchestrator.runs.observation import Observation, RunObserver

__all__ = ["Probe", "ProbeOutcome", "ProbeRunner"]

_logger = structlog.get_logger(__name__)
_AT_ONCE: Final = 2
_MAX_WAITING: Final = 100
_FOUNDER: Final = "probe"


@dataclass(frozen=True, slots=True)
class Probe:
    """A conversation to try: one message, or the opening when there is none."""

    probe_id: str
    crew: str
    digest: str
    message: str | None
    timeout_seconds: int


@dataclass(frozen=True, slots=True)
class ProbeOutcome:
    """How a probe went: the reply with those who wrote it, or an error."""

    probe_id: str
    text: str = ""
    agents: tuple[str, ...] = ()
    error: str = ""
    duration_ms: int = 0


class ProbeRunner:
    """Runs probes beside founders' runs, two at a time; none of them is kept.

    Tools with side effects are not called.
    """

    def __init__(
        self, *, engine: CrewEngine, crews: CrewRegistry, observation: Observation
    ) -> None:
        self._engine = engine
        self._crews = crews
        self._observation = observation
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._accepted = 0

    async def run(self, probe: Probe) -> ProbeOutcome:
        """Try a conversation; never raises for what goes wrong with it.

        Its time begins when it has a place.
        """
        if self._accepted >= _MAX_WAITING:
            return self._told(probe, ProbeOutcome(probe.probe_id, error="too many"))
        self._accepted += 1
        try:
            async with self._places:
                return self._told(probe, await self._run(probe))
        finally:
            self._accepted -= 1

    async def _run(self, probe: Probe) -> ProbeOutcome:
        pinned = self._crews.revision(probe.crew, probe.digest)
        if pinned is None:
            error = f"{probe.digest} of crew {probe.crew!r} is not in force here"
            return ProbeOutcome(probe.probe_id, error=error)
        run_id = f"probe-{probe.probe_id}"
        plan = RunPlan(
            run_id=run_id,
            session_id=run_id,
            founder_ref=_FOUNDER,
            message=probe.message,
            crew=pinned.crew,
            live=pinned.live,
            stubs_side_effects=True,
        )
        began = asyncio.get_running_loop().time()
        seconds = min(probe.timeout_seconds, pinned.run_timeout_seconds)
        reply = _Reply(RunObserver(self._observation, plan))
        failure = await self._execute(plan, reply, seconds)
        took = asyncio.get_running_loop().time() - began
        return ProbeOutcome(
            probe_id=probe.probe_id,
            text="".join(reply.pieces),
            agents=tuple(reply.agents),
            error="" if failure is None else f"{failure.code}: {failure.detail}",
            duration_ms=round(took * 1_000),
        )

    async def _execute(
        self, plan: RunPlan, reply: "_Reply", seconds: float
    ) -> VentureBotsError | None:
        reply.observer.bind(plan)
        limit = asyncio.timeout(seconds)
        failure: VentureBotsError | None = None
        try:
            async with limit:
                await self._engine.run(plan, reply.hear)
        except asyncio.CancelledError:
            reply.observer.end(RunCancelled("stream"))
            raise
        except TimeoutError:
            is_over = limit.expired()
            detail = f"no reply within {seconds} s" if is_over else "it timed out"
            failure = RunTimeoutError(detail)
        except VentureBotsError as error:
            failure = error
        except Exception as error:
            _logger.exception("run failed", run_id=plan.run_id)
            failure = RunFailedError(f"the run failed with {type(error).__name__}")
        reply.observer.end(RunFinished() if failure is None else RunFailed(failure))
        return failure

    def _told(self, probe: Probe, outcome: ProbeOutcome) -> ProbeOutcome:
        result = "failed" if outcome.error else "answered"
        self._observation.metrics.probes.labels(result).inc()
        _logger.info(
            "probe ended",
            crew=probe.crew,
            digest=probe.digest,
            probe_id=probe.probe_id,
            result=result,
            duration_ms=outcome.duration_ms,
        )
        return outcome


class _Reply:
    """Gathers what a probe's run says."""

    def __init__(self, observer: RunObserver) -> None:
        self.observer = observer
        self.pieces: list[str] = []
        self.agents: dict[str, None] = {}

    def hear(self, event: EngineEvent) -> None:
        if isinstance(event, MessageDelta):
            self.pieces.append(event.text)
            return
        if isinstance(event, StepStarted):
            self.agents[event.agent] = None
        self.observer.hear(event)
