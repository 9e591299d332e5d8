"""Logs as JSON lines, metrics and health on a port of their own."""

from libs.telemetry.logs import LogFormat, configure_logging
from libs.telemetry.side_server import SideServer, start_side_server

__all__ = ["LogFormat", "SideServer", "configure_logging", "start_side_server"]
