"""`python -m services.operator`: keep crews as their resources say until told to stop.

SIGTERM and SIGINT give the lead to another replica and end. `--print-config` shows the
settings without secrets and ends. Ends with 1 when changes are no longer seen.
"""

import argparse
import asyncio
import gc
import logging
import signal
import sys

import uvloop
from lightkube.core.exceptions import ConfigError
from pydantic import ValidationError
from pydantic_settings import SettingsError

from libs.errors import VentureBotsError
from libs.telemetry import ProcessIdentity, capture_stray_output, configure_logging
from services.operator.app import create_operator
from services.operator.config import Config

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m services.operator", description="Keep crews as they should be."
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
    identity = ProcessIdentity(service="operator")
    configure_logging(identity, level=config.log_level, log_format=config.log_format)
    for chatty in ("httpx2", "kopf.objects"):
        # A line for every request, and one for every event.
        logging.getLogger(chatty).setLevel(logging.WARNING)
    capture_stray_output()
    try:
        uvloop.run(_serve(config, identity))
    except VentureBotsError as error:
        print(error.detail, file=sys.stderr)
        return 1
    except (ConfigError, OSError) as error:
        print(f"no way to the API server: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve(config: Config, identity: ProcessIdentity) -> None:
    stop = asyncio.Event()
    _ask_to_stop(stop)
    operator = create_operator(config, identity=identity)
    async with operator:
        # Kopf has taken the signals for itself while it started.
        _ask_to_stop(stop)
        gc.collect()
        gc.freeze()
        stopping = asyncio.create_task(stop.wait())
        ended = asyncio.create_task(operator.wait())
        await asyncio.wait((stopping, ended), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if ended.done():
            await ended
        ended.cancel()


def _ask_to_stop(stop: asyncio.Event) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


if __name__ == "__main__":
    sys.exit(main())
