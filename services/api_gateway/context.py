"""Everything one gateway process has, made once and closed in order."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

from libs.telemetry import start_side_server
from services.api_gateway.commands.service import CommandService
from services.api_gateway.config import Config
from services.api_gateway.fanout import Fanout
from services.api_gateway.fanout_local import LocalFanout
from services.api_gateway.founders.service import FounderService
from services.api_gateway.limits import Limits, MemoryLimits, SocketSlots
from services.api_gateway.metrics import GatewayMetrics
from services.api_gateway.peers import PeerPolicy
from services.api_gateway.probe import StoreProbe
from services.api_gateway.runs.directory import OrchestratorDirectory
from services.api_gateway.runs.pump import PumpLimits
from services.api_gateway.runs.resolver import Lookup, look_up_by_system
from services.api_gateway.runs.service import RunService
from services.api_gateway.socket.registry import SocketRegistry
from services.api_gateway.store import Store
from services.api_gateway.store_sql import open_store
from services.api_gateway.store_sql.store import SqlStore
from services.api_gateway.telemetry import GatewayTelemetry
from services.api_gateway.upkeep import keep_up

__all__ = ["Context", "open_context"]


@dataclass(frozen=True, slots=True)
class Context:
    """What endpoints and sockets work with."""

    config: Config
    store: Store
    probe: StoreProbe
    fanout: Fanout
    runs: RunService
    commands: CommandService
    founders: FounderService
    limits: Limits
    peers: PeerPolicy
    slots: SocketSlots
    sockets: SocketRegistry
    telemetry: GatewayTelemetry
    draining: asyncio.Event
    """Set once the process was told to stop."""


@asynccontextmanager
async def open_context(
    config: Config,
    peers: PeerPolicy,
    telemetry: GatewayTelemetry | None = None,
    *,
    clock: Callable[[], float] = time.time,
    look_up: Lookup = look_up_by_system,
) -> AsyncIterator[Context]:
    """Open the store on a clock and begin to carry runs; close all afterwards.

    `look_up` finds the addresses of orchestrators. Raises `StoreLockedError` and
    `SchemaTooNewError`, and OSError when the metrics port is taken.
    """
    draining, is_open = asyncio.Event(), asyncio.Event()
    fanout = LocalFanout()
    telemetry = telemetry or GatewayTelemetry.unread()
    metrics = telemetry.metrics
    async with AsyncExitStack() as stack:
        # Closed last: what the others tell at their end is sent too.
        stack.push_async_callback(telemetry.tracer.aclose)
        side = await start_side_server(
            host=config.host,
            port=config.metrics_port,
            is_ready=lambda: is_open.is_set() and not draining.is_set(),
            registry=metrics.registry,
        )
        stack.push_async_callback(side.aclose)
        store = await _open_store(config, fanout, metrics, clock)
        stack.push_async_callback(store.aclose)
        runs = _create_runs(config, store, telemetry, look_up)
        stack.push_async_callback(runs.aclose)
        await runs.start()
        await stack.enter_async_context(keep_up(store, config.retention))
        limits = MemoryLimits(config.limits)
        commands = CommandService(
            store=store,
            runs=runs,
            limits=limits,
            when_busy=config.when_busy,
            telemetry=telemetry,
        )
        founders = FounderService(
            store=store, limits=limits, cookie_name=config.cookie_name
        )
        is_open.set()
        yield Context(
            config=config,
            store=store,
            probe=StoreProbe(store),
            fanout=fanout,
            runs=runs,
            commands=commands,
            founders=founders,
            limits=limits,
            peers=peers,
            slots=SocketSlots(config.limits),
            sockets=SocketRegistry(metrics),
            telemetry=telemetry,
            draining=draining,
        )


async def _open_store(
    config: Config,
    fanout: LocalFanout,
    metrics: GatewayMetrics,
    clock: Callable[[], float],
) -> SqlStore:
    store = await open_store(
        path=config.database_path,
        publish=fanout.publish,
        end_stream=fanout.end,
        queue_limit=config.queue_limit,
        clock=clock,
        on_commit=metrics.count_commit,
    )
    metrics.watch_writer(
        queue_depth=lambda: store.writer.queue_depth,
        counters=store.writer.counters.as_dict,
    )
    return store


def _create_runs(
    config: Config, store: Store, telemetry: GatewayTelemetry, look_up: Lookup
) -> RunService:
    return RunService(
        owner=str(uuid4()),
        store=store,
        directory=OrchestratorDirectory(
            names=config.orchestrator_addresses,
            token_file=config.orchestrator_token_file,
            look_up=look_up,
        ),
        limits=PumpLimits(run_seconds=config.run_timeout_seconds),
        telemetry=telemetry,
    )
