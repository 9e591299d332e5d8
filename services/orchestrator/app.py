"""Puts the orchestrator together and carries it from start to drained stop."""

import asyncio
import importlib.metadata
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Self

import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from prometheus_client import CollectorRegistry

from libs.crewspec.packages import PackageTools, read_packages
from libs.rpc import BearerToken, create_server
from libs.telemetry import SideServer, start_side_server
from services import agents
from services.orchestrator.config import Config
from services.orchestrator.crews.file_source import FileSource
from services.orchestrator.crews.registry import CrewRegistry
from services.orchestrator.engine import CrewEngine
from services.orchestrator.errors import NoCrewsError, PortTakenError
from services.orchestrator.metrics import Metrics
from services.orchestrator.runs.admission import Admission
from services.orchestrator.runs.registry import RunRegistry
from services.orchestrator.server import SERVICE_NAME, Servicer, encode_event

__all__ = ["Orchestrator", "create_engine", "create_orchestrator"]

_logger = structlog.get_logger(__name__)
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
    )


def create_orchestrator(
    config: Config,
    *,
    make_engine: Callable[[Config], CrewEngine] = create_engine,
) -> "Orchestrator":
    """Compose the service from its settings; nothing is opened yet.

    Call it in a running event loop.
    """
    metrics = Metrics(CollectorRegistry())
    directory = config.config_directory
    crews = CrewRegistry(source=f"files:{directory}", metrics=metrics)
    return Orchestrator(
        config=config, metrics=metrics, crews=crews, engine=make_engine(config)
    )


class Orchestrator:
    """One process of the service: `async with` starts it and drains it."""

    def __init__(
        self,
        *,
        config: Config,
        metrics: Metrics,
        crews: CrewRegistry,
        engine: CrewEngine,
    ) -> None:
        self.instance_id = secrets.token_hex(8)
        self.port = 0
        self.metrics_port = 0
        self._config = config
        self._metrics = metrics
        self._crews = crews
        self._engine = engine
        self._source = FileSource(
            directory=config.config_directory,
            default_model=config.default_model,
            packages=_installed_packages(),
            registry=crews,
        )
        admission = config.admission
        self._runs = RunRegistry(
            engine=engine,
            admission=Admission(
                places=admission.active_runs,
                queue_limit=admission.queued_runs,
                queue_seconds=admission.queue_seconds,
                founder_share=admission.founder_share_percent / 100,
            ),
            encode=encode_event,
            event_logs=config.event_logs,
            metrics=metrics,
        )
        token = BearerToken(config.token_file) if config.token_file else None
        self._server = create_server(token=token)
        self._health = health_aio.HealthServicer()
        self._side: SideServer | None = None
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
        when the crew documents are wrong and there is no earlier good set.
        """
        config = self._config
        Servicer(
            instance_id=self.instance_id,
            version=importlib.metadata.version("venturebots"),
            runs=self._runs,
            crews=self._crews,
        ).add_to(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        await self._tell_health(is_serving=False)
        await self._listen()
        await self._source.load()
        if not self._crews.in_force.crews:
            raise NoCrewsError("no crews to serve:\n" + "\n".join(self._crews.rejected))
        self._following = asyncio.create_task(
            self._source.follow(self._stop_following), name="follow crew documents"
        )
        await self._engine.warm_up()
        self._runs.is_ready = True
        await self._tell_health(is_serving=True)
        _logger.info(
            "ready",
            instance_id=self.instance_id,
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
        _logger.info("stopped", instance_id=self.instance_id)

    async def _listen(self) -> None:
        config = self._config
        try:
            self._side = await start_side_server(
                host=config.metrics_host,
                port=config.metrics_port,
                is_ready=lambda: self.is_ready,
                registry=self._metrics.registry,
            )
        except OSError as error:
            where = f"{config.metrics_host}:{config.metrics_port}"
            raise PortTakenError(f"cannot listen on {where}: {error}") from error
        self.metrics_port = self._side.port
        try:
            self.port = self._server.add_insecure_port(config.address)
        except RuntimeError as error:
            message = f"cannot listen on {config.address}: is the port taken?"
            raise PortTakenError(message) from error
        await self._server.start()

    async def _tell_health(self, *, is_serving: bool) -> None:
        response = health_pb2.HealthCheckResponse
        status = response.SERVING if is_serving else response.NOT_SERVING
        for service in ("", SERVICE_NAME):
            await self._health.set(service, status)


def _installed_packages() -> PackageTools:
    return read_packages(Path(agents.__path__[0]))
