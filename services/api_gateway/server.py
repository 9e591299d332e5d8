"""Runs the gateway under uvicorn and stops it without haste or delay."""

import asyncio
import gc
import signal
from contextlib import suppress
from types import FrameType
from typing import override

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI

from libs.telemetry import ProcessIdentity
from services.api_gateway.app import create_app
from services.api_gateway.config import Config
from services.api_gateway.context import Context
from services.api_gateway.http_protocol import HttpProtocol
from services.api_gateway.socket.protocol import SOCKET_SERVER_OPTIONS

__all__ = ["GatewayServer", "create_server", "serve"]

_logger = structlog.get_logger(__name__)

_GRACEFUL_SECONDS = 4
"""For requests under way, once the sockets were told."""
_KEEP_ALIVE_SECONDS = 75
"""Above the idle time of usual proxies, so that they close first."""


class GatewayServer(uvicorn.Server):
    """Tells its sockets to go before it stops listening.

    The first signal begins the drain; a second one cuts it short.
    """

    def __init__(self, config: uvicorn.Config, *, context: Context) -> None:
        super().__init__(config)
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._draining: asyncio.Task[None] | None = None

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; runs in a signal handler, so it only schedules."""
        self._loop.call_soon_threadsafe(self._on_signal, sig)

    def _on_signal(self, sig: int) -> None:
        if self._draining is None:
            _logger.info("draining", signal=sig)
            self._draining = asyncio.create_task(self.drain())
        else:
            self.should_exit = self.force_exit = True

    async def drain(self) -> None:
        """Unready at once, sockets told over some seconds, then the end."""
        self._context.draining.set()
        try:
            await self._context.sockets.drain(self._context.config.drain_seconds)
        finally:
            self.should_exit = True


def create_server(app: FastAPI, config: Config, context: Context) -> GatewayServer:
    """The server of an application whose context is open."""
    return GatewayServer(
        uvicorn.Config(
            app,
            host=config.host,
            port=config.port,
            http=HttpProtocol,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            # services.api_gateway.peers decides which proxies are believed.
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GRACEFUL_SECONDS,
            **SOCKET_SERVER_OPTIONS,
        ),
        context=context,
    )


def serve(config: Config, identity: ProcessIdentity) -> int:
    """Serve until told to stop; returns the exit status.

    Raises what `open_context` raises.
    """
    with (
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        suppress(asyncio.CancelledError),
    ):
        runner.run(_serve(config, identity))
    return 0


def _stop_on_signal() -> None:
    """Let SIGTERM and SIGINT end the task for as long as uvicorn does not listen.

    A process with the id 1 is not ended by a signal that it does not handle.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is None:
        return

    def asked(number: int, _frame: FrameType | None) -> None:
        _logger.info("draining", signal=number)
        loop.call_soon_threadsafe(task.cancel)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, asked)


async def _serve(config: Config, identity: ProcessIdentity) -> None:
    _stop_on_signal()
    app = create_app(config, identity)
    # Entered here rather than by uvicorn, so that a refusal to start is an
    # exception with a message, not a logged traceback.
    async with app.router.lifespan_context(app):
        # What lives as long as the process is not looked through again and again.
        gc.collect()
        gc.freeze()
        _logger.info("serving", host=config.host, port=config.port)
        await create_server(app, config, app.state.context).serve()
