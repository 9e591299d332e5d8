"""Logs, metrics and traces, and the port where metrics and health are asked for."""

from libs.telemetry.identity import ProcessIdentity, create_registry
from libs.telemetry.logs import LogFormat, capture_stray_output, configure_logging
from libs.telemetry.side_server import SideServer, start_side_server
from libs.telemetry.tracing import (
    NO_SPAN,
    NO_TRACER,
    Attributes,
    Span,
    SpanKind,
    Tracer,
    current_traceparent,
    open_tracer,
    trace_id_of,
)

__all__ = [
    "NO_SPAN",
    "NO_TRACER",
    "Attributes",
    "LogFormat",
    "ProcessIdentity",
    "SideServer",
    "Span",
    "SpanKind",
    "Tracer",
    "capture_stray_output",
    "configure_logging",
    "create_registry",
    "current_traceparent",
    "open_tracer",
    "start_side_server",
    "trace_id_of",
]
