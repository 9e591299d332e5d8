"""`python -m services.api_gateway [serve | openapi | verify] [--print-config]`."""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import SettingsError

from libs.errors import VentureBotsError
from libs.telemetry import configure_logging
from services.api_gateway.app import create_api
from services.api_gateway.config import Config
from services.api_gateway.server import serve
from services.api_gateway.store_sql import verify

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
    configure_logging(
        service="api-gateway", level=config.log_level, log_format=config.log_format
    )
    # It tells its plug-ins one by one, at every start.
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)
    try:
        if options.command == "verify":
            return _verify(options.database or config.database_path)
        return serve(config)
    except (VentureBotsError, OSError) as error:
        print(f"api_gateway: {error}", file=sys.stderr)
        return 1


def _verify(database: Path) -> int:
    """Walk every log of a database and tell what contradicts the promises."""
    findings = asyncio.run(verify(database))
    for finding in findings:
        print(finding)
    print(f"{database}: {len(findings)} contradictions")
    return 1 if findings else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.api_gateway")
    parser.add_argument(
        "command",
        nargs="?",
        choices=("serve", "openapi", "verify"),
        default="serve",
        help="serve (default), print the OpenAPI document, or check a database",
    )
    parser.add_argument(
        "--print-config", action="store_true", help="print the settings, redacted"
    )
    parser.add_argument(
        "--database", type=Path, help="the file to verify; else the configured one"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
