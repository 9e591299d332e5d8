"""`python -m services.orchestrator`: serve until told to stop.

SIGTERM and SIGINT drain; a second one stops at once. `--print-config` shows the
settings without secrets and ends.
"""

import argparse
import asyncio
import gc
import signal
import sys
from importlib import import_module

import uvloop
from pydantic import ValidationError
from pydantic_settings import SettingsError

from libs.telemetry import (
    ProcessIdentity,
    capture_stray_output,
    configure_logging,
    create_registry,
)
from services.orchestrator.app import create_orchestrator, open_side_port
from services.orchestrator.config import Config
from services.orchestrator.errors import NoCrewsError, PortTakenError
from services.orchestrator.metrics import Metrics

__all__ = ["main"]

_ENGINE_MODULE = "services.orchestrator.runtime.crew_runner"


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
    identity = ProcessIdentity(service="orchestrator")
    configure_logging(
        identity,
        level=config.log_level,
        log_format=config.log_format,
        shows_prompts=config.log_prompts,
    )
    capture_stray_output()
    try:
        uvloop.run(_serve(config, identity))
    except (NoCrewsError, PortTakenError) as error:
        print(error.detail, file=sys.stderr)
        return 1
    return 0


async def _serve(config: Config, identity: ProcessIdentity) -> None:
    # From the first moment: a process with the id 1 is not ended by a signal that
    # it does not handle.
    stop, hurry = _asked_to_stop()
    metrics = Metrics(create_registry(identity))
    side = await open_side_port(config, metrics)
    # Seconds of importing, on a thread so that health is answered meanwhile.
    importing = asyncio.to_thread(import_module, _ENGINE_MODULE)
    if not await _done_before(stop, asyncio.create_task(importing)):
        return
    orchestrator = create_orchestrator(
        config, identity=identity, metrics=metrics, side=side
    )
    if not await _done_before(stop, asyncio.create_task(orchestrator.start())):
        return
    # What lives as long as the process (CrewAI's 2,500 modules) is not looked
    # through again and again while tokens wait.
    gc.collect()
    gc.freeze()
    await stop.wait()
    grace = config.drain_grace_seconds
    stopping = asyncio.create_task(orchestrator.stop(grace_seconds=grace))
    await _done_before(hurry, stopping)


def _asked_to_stop() -> tuple[asyncio.Event, asyncio.Event]:
    """Events of the first SIGTERM or SIGINT, and of a further one."""
    stop, hurry = asyncio.Event(), asyncio.Event()

    def asked() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked)
    return stop, hurry


async def _done_before(event: asyncio.Event, task: asyncio.Task[object]) -> bool:
    """Wait for a task, unless the event comes first; then it is cancelled."""
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not task.done():
        task.cancel()
        return False
    await task
    return True


if __name__ == "__main__":
    sys.exit(main())
