"""Puts the orchestrator together and carries it from start to drained stop."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Self

import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio

from libs.crewspec.packages import Packages, read_packages
from libs.rpc import BearerToken, create_server, is_loopback
from libs.telemetry import (
    NO_TRACER,
    ProcessIdentity,
    SideServer,
    Tracer,
    create_registry,
    open_tracer,
    start_side_server,
)
from services import agents
from services.orchestrator.config import Config
from services.orchestrator.crews.composition import create_source, first_source_name
from services.orchestrator.crews.probes import ProbeRunner
from services.orchestrator.crews.registry import CrewRegistry
from services.orchestrator.crews.rollout_stats import RolloutStats
from services.orchestrator.engine import CrewEngine
from services.orchestrator.errors import NoCrewsError, PortTakenError
from services.orchestrator.metrics import Metrics
from services.orchestrator.runs.admission import Admission
from services.orchestrator.runs.events import RunState
from services.orchestrator.runs.observation import Observation
from services.orchestrator.runs.registry import RunRegistry
from services.orchestrator.runs.run import Run
from services.orchestrator.runtime.llm.addresses import AddressPolicy
from services.orchestrator.server import SERVICE_NAME, Servicer, encode_event

__all__ = ["Orchestrator", "create_engine", "create_orchestrator", "open_side_port"]

_logger = structlog.get_logger(__name__)
_LIVENESS, _READINESS = "liveness", "readiness"
"""What a platform asks the health service for, besides the services themselves."""
_HANDOVER_SECONDS = 5.0
"""After the last run's end: time for watchers to read it."""


def create_engine(config: Config) -> CrewEngine:
    """Build the engine on CrewAI; this imports it, which takes seconds."""
    from services.orchestrator.runtime import (  # noqa: PLC0415 - imports crewai late
        crew_engine,
    )

    return crew_engine.create_engine(
        tool_threads=config.tool_threads,
        salt=config.simulation_salt,
        seed=config.simulation_seed,
        has_faults=config.simulation_has_faults,
        addresses=AddressPolicy(
            allows_loopback=is_loopback(config.address),
            networks=config.model_networks,
        ),
    )


async def open_side_port(config: Config, metrics: Metrics) -> SideServer:
    """Answer for the process's health from now on; it is not ready yet.

    Raises PortTakenError when the address cannot be listened on.
    """
    try:
        return await start_side_server(
            host=config.metrics_host,
            port=config.metrics_port,
            is_ready=lambda: False,
            registry=metrics.registry,
        )
    except OSError as error:
        where = f"{config.metrics_host}:{config.metrics_port}"
        raise PortTakenError(f"cannot listen on {where}: {error}") from error


def create_orchestrator(
    config: Config,
    *,
    identity: ProcessIdentity | None = None,
    metrics: Metrics | None = None,
    side: SideServer | None = None,
    make_engine: Callable[[Config], CrewEngine] = create_engine,
) -> "Orchestrator":
    """Compose the service from its settings; opens nothing, but takes a side port.

    Call it in a running event loop.
    """
    identity = identity or ProcessIdentity(service="orchestrator")
    metrics = metrics or Metrics(create_registry(identity))
    return Orchestrator(
        identity=identity,
        config=config,
        metrics=metrics,
        engine=make_engine(config),
        side=side,
        tracer=open_tracer(identity),
    )


class Orchestrator:
    """One process of the service: `async with` starts it and drains it."""

    def __init__(
        self,
        *,
        identity: ProcessIdentity,
        config: Config,
        metrics: Metrics,
        engine: CrewEngine,
        side: SideServer | None = None,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self.instance_id = identity.instance_id
        self.port = 0
        self.metrics_port = 0
        self._config = config
        self._metrics = metrics
        self._engine = engine
        self._tracer = tracer
        self._version = identity.version
        stats = RolloutStats()
        self._crews = CrewRegistry(
            source=first_source_name(config),
            metrics=metrics,
            in_force_changed=stats.assign,
        )
        observation = Observation(
            metrics=metrics,
            tracer=tracer,
            logs_prompts=config.log_prompts,
            traces_prompts=config.trace_prompts,
        )
        self._source = create_source(
            config,
            identity=identity,
            packages=_installed_packages(),
            registry=self._crews,
            stats=stats,
            probes=ProbeRunner(
                engine=engine, crews=self._crews, observation=observation
            ),
            metrics=metrics,
        )
        self._runs = _run_registry(config, engine, observation, stats)
        token = BearerToken(config.token_file) if config.token_file else None
        self._server = create_server(token=token)
        self._health = health_aio.HealthServicer()
        self._side = side
        self._stop_following = asyncio.Event()
        self._following: asyncio.Task[None] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether new runs are taken."""
        return self._runs.is_ready and not self._runs.is_draining

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop(grace_seconds=0)

    async def start(self) -> None:
        """Listen, load the crews, warm up, then say that the service is ready.

        Raises PortTakenError when an address cannot be listened on, NoCrewsError
        when the crew documents are wrong and there is no earlier good set. Crews of
        an operator are waited for, for ever.
        """
        config = self._config
        Servicer(
            instance_id=self.instance_id,
            version=self._version,
            runs=self._runs,
            crews=self._crews,
        ).add_to(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        await self._health.set(_LIVENESS, health_pb2.HealthCheckResponse.SERVING)
        await self._tell_health(is_serving=False)
        await self._listen()
        await self._source.load()
        if not config.crew_source_address and not self._crews.in_force.crews:
            raise NoCrewsError("no crews to serve:\n" + "\n".join(self._crews.rejected))
        self._following = asyncio.create_task(
            self._source.follow(self._stop_following), name="follow crew documents"
        )
        await self._engine.warm_up()
        await self._crews.wait_for_crews()
        self._runs.is_ready = True
        await self._tell_health(is_serving=True)
        _logger.info(
            "ready",
            address=config.address,
            port=self.port,
            metrics_port=self.metrics_port,
            default_model=config.default_model,
        )

    async def stop(self, *, grace_seconds: float) -> None:
        """Take no new runs, let the others end within the grace, then close."""
        await self._tell_health(is_serving=False)
        await self._runs.drain(grace_seconds)
        await self._server.stop(_HANDOVER_SECONDS)
        self._stop_following.set()
        if self._following is not None:
            await self._following
        await self._engine.aclose()
        if self._side is not None:
            await self._side.aclose()
        await self._tracer.aclose()
        _logger.info("stopped")

    async def _listen(self) -> None:
        config = self._config
        side = self._side or await open_side_port(config, self._metrics)
        side.is_ready = lambda: self.is_ready
        self._side, self.metrics_port = side, side.port
        try:
            self.port = self._server.add_insecure_port(config.address)
        except RuntimeError as error:
            message = f"cannot listen on {config.address}: is the port taken?"
            raise PortTakenError(message) from error
        await self._server.start()

    async def _tell_health(self, *, is_serving: bool) -> None:
        response = health_pb2.HealthCheckResponse
        status = response.SERVING if is_serving else response.NOT_SERVING
        for service in ("", _READINESS, SERVICE_NAME):
            await self._health.set(service, status)


def _run_registry(
    config: Config, engine: CrewEngine, observation: Observation, stats: RolloutStats
) -> RunRegistry:
    admission = config.admission

    def count(run: Run) -> None:
        # What waited in vain for a place, or was stopped, says nothing of its crew.
        if run.started_at is None or run.ended_at is None:
            return
        if run.state in {RunState.FINISHED, RunState.FAILED}:
            stats.count(
                run.crew,
                run.digest,
                has_failed=run.state is RunState.FAILED,
                seconds=run.ended_at - run.started_at,
            )

    return RunRegistry(
        engine=engine,
        admission=Admission(
            places=admission.active_runs,
            queue_limit=admission.queued_runs,
            queue_seconds=admission.queue_seconds,
            founder_share=admission.founder_share_percent / 100,
        ),
        encode=encode_event,
        event_logs=config.event_logs,
        observation=observation,
        run_ended=count,
    )


def _installed_packages() -> Packages:
    return read_packages(Path(agents.__path__[0]))
