"""One log line per event: JSON for machines, text for a terminal."""

import logging
import sys
import threading
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TextIO, assert_never, override

import structlog

from libs.telemetry.identity import ProcessIdentity
from libs.telemetry.log_values import bounded, escaped, told_errors

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

__all__ = ["LogFormat", "capture_stray_output", "configure_logging"]

_logger = structlog.get_logger(__name__)

_OWN: Final = ("libs", "services")
_AT_LEAST: Final = {
    # They tell each request, with its address, which may hold a key.
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    # It tells each socket's address and query; services say themselves that they serve.
    "uvicorn.error": logging.WARNING,
    # It tells its plug-ins one by one, at every start.
    "alembic.runtime.plugins": logging.WARNING,
    # Each attempt to reach a sink that is away; the giving up is an error.
    "opentelemetry": logging.ERROR,
}


class LogFormat(StrEnum):
    """How log lines look."""

    AUTO = "auto"
    """Text on a terminal, else JSON."""
    JSON = "json"
    TEXT = "text"


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines; one that cannot be made is told without what it held."""

    @override
    def handleError(self, record: logging.LogRecord) -> None:
        """Say that a line was lost, and whose, instead of printing its data."""
        if isinstance(sys.exception(), OSError):
            return  # nobody reads any more
        _logger.error("log line lost", of_logger=record.name, line=record.lineno)


def configure_logging(
    identity: ProcessIdentity,
    *,
    level: str = "info",
    log_format: LogFormat = LogFormat.AUTO,
    shows_prompts: bool = False,
    stream: TextIO | None = None,
) -> None:
    """Send structlog and the standard library's loggers to one stream.

    Every line has `ts`, `level`, `service`, `version`, `instance_id`, `logger`,
    `event` and what was bound with `structlog.contextvars`. `level` is for our
    own loggers; others tell nothing below info, where they quote whole frames
    and headers. `shows_prompts` lets the text of every error through. Call once,
    first thing in the process.
    """
    target = stream or sys.stdout
    if log_format is LogFormat.AUTO:
        log_format = LogFormat.TEXT if target.isatty() else LogFormat.JSON
    shared = _shared_processors(identity)
    handler = _Handler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _first_line_of_asyncio],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _ErrorTeller(log_format, shows_texts=shows_prompts),
                *_renderers(log_format, has_colors=target.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    _set_levels(root, logging.getLevelNamesMapping()[level.upper()])
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


def capture_stray_output() -> None:
    """Send warnings, and errors that nobody caught, where logs go."""
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda failed: _log_uncaught(
        failed.exc_type, failed.exc_value, failed.exc_traceback
    )


def _log_uncaught(
    kind: type[BaseException],
    error: BaseException | None,
    trace: TracebackType | None,
) -> None:
    if error is None or isinstance(error, KeyboardInterrupt | SystemExit):
        sys.__excepthook__(kind, error or kind(), trace)
    else:
        _logger.critical("uncaught error", exc_info=error)


def _set_levels(root: logging.Logger, level: int) -> None:
    root.setLevel(max(level, logging.INFO))
    for name in _OWN:
        logging.getLogger(name).setLevel(level)
    for name, least in _AT_LEAST.items():
        logging.getLogger(name).setLevel(max(level, least))


def _shared_processors(identity: ProcessIdentity) -> list["Processor"]:
    told = {
        "service": identity.service,
        "version": identity.version,
        "instance_id": identity.instance_id,
    }

    def add_identity(
        _logger: "WrappedLogger", _method: str, event: "EventDict"
    ) -> "EventDict":
        event.update(told)
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        add_identity,
    ]


def _first_line_of_asyncio(
    _logger: "WrappedLogger", _method: str, event: "EventDict"
) -> "EventDict":
    """Drop the lines in which asyncio quotes tasks, and with them their errors."""
    if event.get("logger") == "asyncio":
        event["event"] = str(event["event"]).partition("\n")[0]
    return event


class _ErrorTeller:
    """Replaces `exc_info` by the errors' types, places and perhaps texts."""

    def __init__(self, log_format: LogFormat, *, shows_texts: bool) -> None:
        self._log_format = log_format
        self._shows_texts = shows_texts

    def __call__(
        self, _logger: "WrappedLogger", _method: str, event: "EventDict"
    ) -> "EventDict":
        """Bound every value and tell the error, if there is one."""
        error = _error_of(event.pop("exc_info", None))
        for key in ("exc_text", "stack_info", "stack"):
            event.pop(key, None)
        safe: EventDict = {str(key): bounded(each) for key, each in event.items()}
        if error is None:
            return safe
        told = list(told_errors(error, shows_texts=self._shows_texts))
        safe["exception"] = told if self._log_format is LogFormat.JSON else _lines(told)
        return safe


def _error_of(exc_info: object) -> BaseException | None:
    match exc_info:
        case BaseException():
            return exc_info
        case (_, BaseException() as error, _):
            return error
        case None | False | (None, None, None):
            return None
        case _:
            return sys.exception()


def _lines(told: list[dict[str, str | list[str]]]) -> str:
    lines = list[str]()
    for error in told:
        text = f": {error['text']}" if "text" in error else ""
        lines.append(escaped(f"  {error['type']}{text}"))
        lines.extend(escaped(f"    {frame}") for frame in error["frames"])
    return "\n".join(lines)


def _printable(
    _logger: "WrappedLogger", _method: str, event: "EventDict"
) -> "EventDict":
    """Make sure that no value can act on the terminal it is shown on."""
    return {
        escaped(str(key)): value
        if key == "exception" or value is None or isinstance(value, bool | int | float)
        else escaped(str(value))
        for key, value in event.items()
    }


def _renderers(log_format: LogFormat, *, has_colors: bool) -> list[Any]:
    match log_format:
        case LogFormat.JSON:
            return [structlog.processors.JSONRenderer(default=str)]
        case LogFormat.TEXT:
            return [
                _printable,
                _without_identity,
                structlog.dev.ConsoleRenderer(colors=has_colors, timestamp_key="ts"),
            ]
        case LogFormat.AUTO:
            raise ValueError("what a line looks like is decided before")
        case _:
            assert_never(log_format)


def _without_identity(
    _logger: "WrappedLogger", _method: str, event: "EventDict"
) -> "EventDict":
    """Leave out what is the same in each line of a terminal."""
    for key in ("service", "version", "instance_id"):
        event.pop(key, None)
    return event
