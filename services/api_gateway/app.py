"""Composes the gateway's HTTP application."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from libs.telemetry import ProcessIdentity
from services.api_gateway import docs, status
from services.api_gateway.config import Config
from services.api_gateway.context import open_context
from services.api_gateway.edge import EdgeMiddleware, GuardMiddleware
from services.api_gateway.founders import endpoints as founders
from services.api_gateway.openapi import describe, operation_id
from services.api_gateway.page import PageFiles
from services.api_gateway.peers import PeerPolicy
from services.api_gateway.problem import handle_problems
from services.api_gateway.runs import endpoints as runs
from services.api_gateway.runs.resolver import Lookup, look_up_by_system
from services.api_gateway.sessions import endpoints as sessions
from services.api_gateway.socket.endpoints import SocketMiddleware
from services.api_gateway.status import VERSION
from services.api_gateway.streams import endpoints as streams
from services.api_gateway.streams import live
from services.api_gateway.telemetry import GatewayTelemetry

__all__ = ["create_api", "create_app"]

_API_PREFIXES = (
    "v1",
    "docs",
    "openapi.json",
    "config.js",
    "healthz",
    "readyz",
    "metrics",
)

type Lifespan = Callable[[FastAPI], Any]


def create_api(lifespan: Lifespan | None = None) -> FastAPI:
    """The routes alone: enough to describe them, and needs no settings."""
    app = FastAPI(
        title="VentureBots",
        version=VERSION,
        description="A coach for founders, its conversations and their event logs.",
        lifespan=lifespan,
        generate_unique_id_function=operation_id,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    for feature in (founders, sessions, runs, streams, live, status, docs):
        app.include_router(feature.router)
    handle_problems(app)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign] # FastAPI's way
    return app


def create_app(
    config: Config,
    identity: ProcessIdentity | None = None,
    *,
    clock: Callable[[], float] = time.time,
    look_up: Lookup = look_up_by_system,
) -> FastAPI:
    """The whole application; what it needs is opened at its start."""
    telemetry = GatewayTelemetry.open(
        identity or ProcessIdentity(service="api-gateway"),
        is_caller_trusted=config.trust_traceparent,
    )
    peers = PeerPolicy(
        external_url=config.external_url,
        allowed_origins=config.allowed_origins,
        trusted_proxies=config.trusted_proxies,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        opening = open_context(config, peers, telemetry, clock=clock, look_up=look_up)
        async with opening as context:
            app.state.context = context
            yield

    app = create_api(lifespan)
    app.router.default = PageFiles(config.page_directory, api_prefixes=_API_PREFIXES)
    app.add_middleware(GuardMiddleware, peers=peers, cookie_name=config.cookie_name)
    app.add_middleware(EdgeMiddleware, telemetry=telemetry)
    app.add_middleware(SocketMiddleware)
    return app
