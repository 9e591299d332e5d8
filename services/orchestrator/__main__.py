"""`python -m services.orchestrator`: serve until told to stop.

SIGTERM and SIGINT drain; a second one stops at once. `--print-config` shows the
settings without secrets and ends.
"""

import argparse
import asyncio
import gc
import signal
import sys

import uvloop
from pydantic import ValidationError
from pydantic_settings import SettingsError

from libs.telemetry import configure_logging
from services.orchestrator.app import create_orchestrator
from services.orchestrator.config import Config
from services.orchestrator.errors import NoCrewsError, PortTakenError

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m services.orchestrator", description="Execute runs of crews."
    )
    parser.add_argument(
        "--print-config", action="store_true", help="show the settings and exit"
    )
    options = parser.parse_args(arguments)
    try:
        config = Config()
    except (ValidationError, SettingsError, ValueError) as error:
        print(f"wrong settings: {error}", file=sys.stderr)
        return 2
    if options.print_config:
        print(config.redacted())
        return 0
    configure_logging(
        service="orchestrator", level=config.log_level, log_format=config.log_format
    )
    try:
        uvloop.run(_serve(config))
    except (NoCrewsError, PortTakenError) as error:
        print(error.detail, file=sys.stderr)
        return 1
    return 0


async def _serve(config: Config) -> None:
    orchestrator = create_orchestrator(config)
    loop = asyncio.get_running_loop()
    stop, hurry = asyncio.Event(), asyncio.Event()

    def asked() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked)
    starting = asyncio.create_task(orchestrator.start())
    await _first(starting, asyncio.create_task(stop.wait()))
    if not starting.done():
        starting.cancel()
        return
    await starting
    # What lives as long as the process (CrewAI's 2,500 modules) is not looked
    # through again and again while tokens wait.
    gc.collect()
    gc.freeze()
    await stop.wait()
    grace = config.drain_grace_seconds
    stopping = asyncio.create_task(orchestrator.stop(grace_seconds=grace))
    await _first(stopping, asyncio.create_task(hurry.wait()))


async def _first(*tasks: asyncio.Task[object]) -> None:
    """Wait until one of several is done."""
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


if __name__ == "__main__":
    sys.exit(main())
