"""One log line per event: JSON for machines, text for a terminal."""

import logging
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TextIO, assert_never

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

__all__ = ["LogFormat", "configure_logging"]


class LogFormat(StrEnum):
    """How log lines look."""

    JSON = "json"
    TEXT = "text"


def configure_logging(
    *,
    service: str,
    level: str = "info",
    log_format: LogFormat = LogFormat.JSON,
    stream: TextIO | None = None,
) -> None:
    """Send structlog and the standard library's loggers to one stream.

    Every line has `timestamp`, `level`, `service`, `event` and what was bound
    with `structlog.contextvars`. Call once, first thing in the process.
    """
    shared = _shared_processors(service)
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(log_format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _shared_processors(service: str) -> list["Processor"]:
    def add_service(
        _logger: "WrappedLogger", _method: str, event: "EventDict"
    ) -> "EventDict":
        event["service"] = service
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_service,
    ]


def _renderers(log_format: LogFormat) -> list[Any]:
    # Never the local variables of a traceback: they hold tokens and prompts.
    match log_format:
        case LogFormat.JSON:
            return [
                structlog.processors.ExceptionRenderer(
                    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
                ),
                structlog.processors.JSONRenderer(default=str),
            ]
        case LogFormat.TEXT:
            return [
                structlog.dev.ConsoleRenderer(
                    exception_formatter=structlog.dev.plain_traceback
                )
            ]
        case _:
            assert_never(log_format)
