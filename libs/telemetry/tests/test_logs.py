"""Log lines are JSON, whoever wrote them."""

import io
import json
import logging
import secrets
from collections.abc import Iterator

import pytest
import structlog

from libs.telemetry import LogFormat, configure_logging


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Log into memory and restore the root logger afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()
    configure_logging(service="sample", stream=stream)
    yield stream
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


def test_events_and_library_logs_share_one_shape(lines: io.StringIO) -> None:
    """Both have service, level, time and event."""
    with structlog.contextvars.bound_contextvars(run_id="r1"):
        structlog.get_logger("a").info("run started", crew="coaching")
        logging.getLogger("library").warning("said %s", "something")
    first, second = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert first["event"] == "run started"
    assert (first["crew"], first["run_id"]) == ("coaching", "r1")
    assert second["event"] == "said something"
    assert second["level"] == "warning"
    assert {"service", "timestamp", "level", "run_id"} <= first.keys() & second.keys()


def test_a_traceback_is_part_of_the_line(lines: io.StringIO) -> None:
    """One event, one line, also for exceptions."""
    try:
        raise ValueError  # noqa: TRY301 - the shortest way to a traceback
    except ValueError:
        structlog.get_logger("a").exception("it failed")
    (line,) = lines.getvalue().splitlines()
    assert json.loads(line)["exception"][0]["exc_type"] == "ValueError"


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_local_variables_stay_out_of_tracebacks(
    lines: io.StringIO, log_format: LogFormat
) -> None:
    """A frame's variables may be a token or a founder's words."""
    configure_logging(service="sample", stream=lines, log_format=log_format)
    token = secrets.token_hex(8)
    try:
        raise ValueError(len(token))  # noqa: TRY301 - the shortest way to a traceback
    except ValueError:
        structlog.get_logger("b").exception("it failed")
    assert "ValueError" in lines.getvalue()
    assert token not in lines.getvalue()
