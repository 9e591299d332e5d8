"""`python -m services.api_gateway [serve | openapi | verify | backup | restore]`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import SettingsError

from libs.errors import VentureBotsError
from libs.telemetry import (
    ProcessIdentity,
    capture_stray_output,
    configure_logging,
)
from services.api_gateway.app import create_api
from services.api_gateway.config import Config
from services.api_gateway.maintenance import Maintenance, maintain
from services.api_gateway.server import serve

_MISCONFIGURED = 2


def main(arguments: Sequence[str]) -> int:
    """Run a command; returns the process's exit status."""
    options = _parser().parse_args(arguments)
    if options.command == "openapi":
        print(json.dumps(create_api().openapi(), indent=2, sort_keys=True))
        return 0
    try:
        config = Config()
    except (ValidationError, SettingsError, ValueError, OSError) as error:
        print(f"api_gateway: {error}", file=sys.stderr)
        return _MISCONFIGURED
    if options.print_config:
        print(config.redacted())
        return 0
    identity = ProcessIdentity(service="api-gateway")
    configure_logging(identity, level=config.log_level, log_format=config.log_format)
    capture_stray_output()
    try:
        if options.command == "serve":
            return serve(config, identity)
        outcome = maintain(
            Maintenance(options.command),
            options.database or config.database_path,
            target=options.to,
            copy=options.copy,
            keep=options.keep,
        )
    except (VentureBotsError, OSError) as error:
        print(f"api_gateway: {error}", file=sys.stderr)
        return 1
    print("\n".join(outcome.lines))
    return 0 if outcome.is_good else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.api_gateway")
    parser.add_argument(
        "command",
        nargs="?",
        choices=("serve", "openapi", *Maintenance),
        default="serve",
        help="serve (default), print the OpenAPI document, or check, copy or put"
        " back a database",
    )
    parser.add_argument(
        "--print-config", action="store_true", help="print the settings, redacted"
    )
    parser.add_argument(
        "--database", type=Path, help="the database; else the configured one"
    )
    parser.add_argument(
        "--to", type=Path, help="where the backup goes: a new file, or a folder"
    )
    parser.add_argument(
        "--keep", type=_count, help="of the folder's backups, how many stay"
    )
    parser.add_argument(
        "--from",
        dest="copy",
        type=Path,
        help="the copy to restore, or a folder whose newest it is",
    )
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
