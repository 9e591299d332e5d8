"""Puts the operator together and carries it from start to released Lease."""

import asyncio
import os
import secrets as random_ids
import socket
from collections.abc import Iterable
from typing import Self

import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from lightkube import AsyncClient

from libs.crewspec.credentials import Credentials
from libs.crewspec.documents import Kind
from libs.crewspec.packages import read_packages
from libs.rpc import BearerToken, create_server
from libs.telemetry import (
    ProcessIdentity,
    SideServer,
    create_registry,
    start_side_server,
)
from services.operator.apply import Writer
from services.operator.bootstrap import Bootstrap
from services.operator.config import Config
from services.operator.controller import Controller
from services.operator.discovery import SERVICE_NAME, Discovery
from services.operator.errors import PortTakenError, WorkEndedError
from services.operator.fleet import Fleet
from services.operator.health import WatchHealth
from services.operator.kubernetes import PLURALS, Body, KubernetesLease, connect
from services.operator.lease import Election, Leadership, Timing
from services.operator.metrics import Metrics
from services.operator.observed import Settings
from services.operator.published import Published
from services.operator.stored_object import ObjectName
from services.operator.surroundings import FleetEndpoints, Secrets
from services.operator.survey import Survey
from services.operator.term import Term
from services.operator.watch import Watch
from services.operator.work_queue import WorkQueue
from services.operator.world import World

__all__ = ["Operator", "create_operator"]

_logger = structlog.get_logger(__name__)
_DRAIN_SECONDS = 2.0
_STREAMS_SECONDS = 0.5
_KINDS = len(PLURALS) + 1


def create_operator(
    config: Config, *, identity: ProcessIdentity | None = None
) -> "Operator":
    """Compose the service from its settings; nothing is sent yet.

    Call it in a running event loop. Raises NoNamespaceError, OSError or ValueError
    when the settings lead nowhere.
    """
    identity = identity or ProcessIdentity(service="operator")
    metrics = Metrics(create_registry(identity))
    return Operator(config=config, metrics=metrics, client=connect(config.home))


class Operator:
    """One replica: `async with` starts it, and gives the Lease back at the end."""

    def __init__(
        self, *, config: Config, metrics: Metrics, client: AsyncClient
    ) -> None:
        self.port = 0
        self.metrics_port = 0
        self.identity = f"{_host()}_{random_ids.token_hex(4)}"
        self._config = config
        self._metrics = metrics
        self._client = client
        self._timing = Timing()
        self._leadership = Leadership(self._timing)
        self._world = World(home=config.home)
        self._published = Published()
        self._fleet = Fleet(
            on_news=self._fleet_changed,
            on_stats=self._counted,
        )
        self._discovery = Discovery(
            home=config.home,
            published=self._published,
            fleet=self._fleet,
            on_disconnect=self._orchestrator_gone,
        )
        self._term = self._create_term()
        self._election = Election(
            identity=self.identity,
            store=KubernetesLease(
                client, name=config.lease_name, namespace=config.home
            ),
            leadership=self._leadership,
            timing=self._timing,
            on_change=self._leads_or_not,
        )
        self._endpoints = FleetEndpoints(
            client=client,
            namespace=config.home,
            service=config.fleet_service,
            on_count=self._count_endpoints,
        )
        self._health = WatchHealth(
            expected=_KINDS * len(config.namespaces),
            stale_seconds=config.watch_stale_seconds,
            metrics=metrics,
        )
        self._watch = Watch(
            namespaces=config.namespaces,
            is_cluster_wide=config.is_cluster_wide,
            health=self._health,
            on_event=self._take,
            on_listed=self._term.survey,
        )
        token = BearerToken(config.token_file) if config.token_file else None
        self._server = create_server(token=token)
        self._grpc_health = health_aio.HealthServicer()
        self._side: SideServer | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def is_ready(self) -> bool:
        """Whether the cluster is seen and it is known who leads."""
        return self._health.is_watching and self._election.has_looked

    @property
    def leads(self) -> bool:
        """Whether this replica leads."""
        return self._election.leads

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, watch, and stand for election.

        Raises PortTakenError. The watch takes the signals of the process for
        itself: whoever wants them takes them again afterwards.
        """
        await self._listen()
        await self._watch.start()
        for name, work in (
            ("endpoints", self._endpoints.run()),
            ("health", self._health.run(self._measure)),
            ("election", self._election.run()),
        ):
            self._tasks.append(asyncio.create_task(work, name=name))
        _logger.info(
            "started",
            identity=self.identity,
            home=self._config.home,
            namespaces=self._config.namespaces,
            address=self._config.address,
            port=self.port,
            metrics_port=self.metrics_port,
        )

    async def wait(self) -> None:
        """Wait for what must not happen: raises WatchEndedError or WorkEndedError."""
        watching = asyncio.create_task(self._watch.wait(), name="watches")
        parts = {watching, *self._tasks, self._term.failure}
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            watching.cancel()
        if watching in done:
            await watching
        errors = [part.exception() for part in done if not part.cancelled()]
        reason = next(filter(None, errors), None)
        raise WorkEndedError(f"a part has ended: {reason!r}") from reason

    async def stop(self) -> None:
        """Finish the writes under way, give the Lease back, and close."""
        _, _, election = self._tasks
        election.cancel()
        held = self._election.leads
        if held:
            await self._term.flush(_DRAIN_SECONDS)
        await self._leadership.drain(_DRAIN_SECONDS)
        await self._term.end()
        if held:
            await self._election.release()
        for task in (*self._tasks, *self._ending):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._ending, return_exceptions=True)
        await self._server.stop(_STREAMS_SECONDS)
        await self._watch.stop()
        await self._client.close()
        if self._side is not None:
            await self._side.aclose()
        _logger.info("stopped")

    def _create_term(self) -> Term:
        config = self._config
        queue = WorkQueue[ObjectName]()
        declared = config.credentials
        secrets = Secrets(client=self._client, namespace=config.home, declared=declared)
        writer = Writer(
            client=self._client,
            leadership=self._leadership,
            metrics=self._metrics,
            identity=self.identity,
        )
        settings = Settings(
            home=config.home,
            packages=read_packages(config.packages_directory),
            credentials=Credentials(declared=declared, allows_local=False),
        )
        return Term(
            config=config,
            world=self._world,
            queue=queue,
            survey=Survey(
                client=self._client, world=self._world, namespaces=config.namespaces
            ),
            secrets=secrets,
            fleet=self._fleet,
            published=self._published,
            discovery=self._discovery,
            controller=Controller(
                world=self._world,
                queue=queue,
                writer=writer,
                published=self._published,
                fleet=self._fleet,
                secrets=secrets.versions,
                settings=settings,
                metrics=self._metrics,
            ),
            bootstrap=Bootstrap(
                name=config.bootstrap_config_map,
                home=config.home,
                seconds=config.bootstrap_seconds,
                published=self._published,
                writer=writer,
                metrics=self._metrics,
            ),
        )

    async def _listen(self) -> None:
        config = self._config
        try:
            self._side = await start_side_server(
                host=config.metrics_host,
                port=config.metrics_port,
                is_ready=lambda: self.is_ready,
                is_alive=lambda: self._health.is_alive,
                registry=self._metrics.registry,
            )
        except OSError as error:
            where = f"{config.metrics_host}:{config.metrics_port}"
            raise PortTakenError(f"cannot listen on {where}: {error}") from error
        self.metrics_port = self._side.port
        self._discovery.add_to(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._grpc_health, self._server)
        serving = health_pb2.HealthCheckResponse.SERVING
        for service in ("", SERVICE_NAME):
            await self._grpc_health.set(service, serving)
        try:
            self.port = self._server.add_insecure_port(config.address)
        except RuntimeError as error:
            message = f"cannot listen on {config.address}: is the port taken?"
            raise PortTakenError(message) from error
        await self._server.start()

    def _take(self, kind: Kind | None, body: Body, is_gone: bool) -> None:  # noqa: FBT001 - the shape of a callback
        world = self._world
        if kind is None:
            change = (
                world.remove_revision(body) if is_gone else world.put_revision(body)
            )
        else:
            change = world.remove(kind, body) if is_gone else world.put(kind, body)
        self._term.heed(change)

    def _leads_or_not(self, leads: bool) -> None:  # noqa: FBT001 - the shape of a callback
        self._metrics.is_leader.set(leads)
        if leads:
            self._term.begin()
            return
        self._metrics.forget_crews()
        self._discovery.close()
        ending = asyncio.create_task(self._term.end(), name="end of term")
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    def _fleet_changed(self, crews: Iterable[str]) -> None:
        self._term.fleet_changed(crews)

    def _counted(self, crew: str) -> None:
        self._term.counted(crew)

    def _orchestrator_gone(self, crews: Iterable[str]) -> None:
        self._term.orchestrator_gone(crews)

    def _count_endpoints(self, desired: int) -> None:
        if self._fleet.set_desired(desired):
            self._term.desired_changed()

    def _measure(self) -> None:
        for state, count in self._fleet.states().items():
            self._metrics.orchestrators.labels(state).set(count)


def _host() -> str:
    return os.environ.get("HOSTNAME") or socket.gethostname()
