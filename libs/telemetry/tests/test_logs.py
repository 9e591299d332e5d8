"""Log lines are whole, whoever wrote them and whatever they hold."""

import io
import json
import logging
import re
import secrets
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any, override

import pytest
import structlog

from libs.errors import VentureBotsError
from libs.telemetry import (
    LogFormat,
    ProcessIdentity,
    capture_stray_output,
    configure_logging,
)

_IDENTITY = ProcessIdentity(service="sample", version="1.2", instance_id="i1")
_TS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")
_HOSTILE = (
    'one\ntwo\r\n{"event": "forged"}',
    "\x1b[2J\x1b]0;title\x07 red \x9b31m",
    "turned \u202e around \u2028 next",
    "half a pair \ud83d",
    "long " * 100_000,
    b"\x00\xff",
    float("nan"),
    {"a": {"b": {"c": {"d": {"e": ["deep\n"]}}}}},
    {("a", 1): "no text for a key"},
    list(range(10_000)),
)


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Give the process its loggers and hooks back."""
    root = logging.getLogger()
    levels = {
        name: logging.getLogger(name).level
        for name in ("libs", "services", "httpx", "httpcore", "opentelemetry")
    }
    handlers, level = root.handlers, root.level
    hooks = sys.excepthook, threading.excepthook
    yield
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers, root.level = handlers, level
    sys.excepthook, threading.excepthook = hooks
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def _log_to(**settings: Any) -> io.StringIO:
    stream = io.StringIO()
    settings = {"log_format": LogFormat.JSON} | settings
    configure_logging(_IDENTITY, stream=stream, **settings)
    return stream


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_events_and_library_logs_share_one_shape() -> None:
    stream = _log_to()
    with structlog.contextvars.bound_contextvars(run_id="r1"):
        structlog.get_logger("a").info("run started", crew="coaching")
        logging.getLogger("library").warning("said %s", "something")
    first, second = _lines(stream)

    assert (first["event"], first["crew"]) == ("run started", "coaching")
    assert (second["event"], second["level"]) == ("said something", "warning")
    for line in (first, second):
        assert _TS.fullmatch(line["ts"])
        assert line["run_id"] == "r1"
        assert (line["service"], line["version"]) == ("sample", "1.2")
        assert line["instance_id"] == "i1"
        assert line["logger"] in {"a", "library"}


@pytest.mark.parametrize("log_format", [LogFormat.JSON, LogFormat.TEXT])
@pytest.mark.parametrize("value", _HOSTILE, ids=lambda value: repr(value)[:20])
def test_no_value_forges_a_line_or_acts_on_a_terminal(
    value: object, log_format: LogFormat
) -> None:
    stream = _log_to(log_format=log_format)

    structlog.get_logger("a").info("taken", value=value)
    structlog.get_logger("a").info(value)
    logging.getLogger("library").warning("%s", value)

    written = stream.getvalue()
    assert len(written.splitlines()) == 3
    assert all(char == "\n" or char.isprintable() for char in written)
    assert len(written) < 20_000
    if log_format is LogFormat.JSON:
        for line in written.splitlines():
            json.loads(line, parse_constant=pytest.fail)


def test_a_value_that_cannot_be_shown_costs_no_line() -> None:
    class Broken:
        @override
        def __str__(self) -> str:
            raise ValueError

    stream = _log_to()
    structlog.get_logger("a").info("taken", value=Broken())

    assert _lines(stream)[0]["value"] == "<Broken>"


def test_a_line_that_cannot_be_made_is_told_without_its_data() -> None:
    stream = _log_to()
    logging.getLogger("library").warning("%d", "canary")

    (line,) = _lines(stream)
    assert (line["event"], line["of_logger"]) == ("log line lost", "library")
    assert "canary" not in stream.getvalue()


def test_an_error_and_its_causes_are_part_of_the_line() -> None:
    stream = _log_to()
    try:
        try:
            raise KeyError("canary")  # noqa: TRY301 - as below
        except KeyError as error:
            raise VentureBotsError("told to people") from error
    except VentureBotsError:
        structlog.get_logger("a").exception("it failed")

    told, cause = _lines(stream)[0]["exception"]
    assert told["type"] == "libs.errors.VentureBotsError"
    assert told["text"] == "told to people"
    assert cause["type"] == "builtins.KeyError"
    assert "test_logs.py" in cause["frames"][0]


@pytest.mark.parametrize("log_format", [LogFormat.JSON, LogFormat.TEXT])
@pytest.mark.parametrize("shows_prompts", [False, True])
def test_what_an_error_quotes_is_shown_only_when_asked(
    log_format: LogFormat, *, shows_prompts: bool
) -> None:
    stream = _log_to(log_format=log_format, shows_prompts=shows_prompts)
    local = secrets.token_hex(8)
    try:
        raise ValueError("canary")  # noqa: TRY301 - the shortest way to a traceback
    except ValueError:
        structlog.get_logger("b").exception("it failed")
        logging.getLogger("library").exception("it failed")

    assert stream.getvalue().count("ValueError") == 2
    assert stream.getvalue().count("canary") == (2 if shows_prompts else 0)
    assert local not in stream.getvalue()


def test_only_our_own_loggers_tell_more_than_info() -> None:
    stream = _log_to(level="debug")
    for name in ("libs.a", "services.b", "websockets.server", "httpcore", "grpc"):
        logging.getLogger(name).debug("details")
    logging.getLogger("httpx").info("HTTP Request")

    assert [line["logger"] for line in _lines(stream)] == ["libs.a", "services.b"]


def test_levels_are_kept() -> None:
    stream = _log_to(level="warning")
    for name in ("services.b", "uvicorn.error", "alembic"):
        logging.getLogger(name).info("said")
        logging.getLogger(name).warning("warned")

    assert [line["event"] for line in _lines(stream)] == ["warned"] * 3


def test_warnings_and_what_nobody_caught_become_lines() -> None:
    stream = _log_to()
    capture_stray_output()

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old thing", DeprecationWarning, stacklevel=1)
    thread = threading.Thread(target=lambda: dict[str, int]()["canary"])
    thread.start()
    thread.join()

    first, second = _lines(stream)
    assert first["logger"] == "py.warnings"
    assert second["event"] == "uncaught error"
    assert second["exception"][0]["type"] == "builtins.KeyError"


def test_the_format_follows_the_terminal() -> None:
    class Terminal(io.StringIO):
        @override
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    configure_logging(_IDENTITY, stream=terminal)
    structlog.get_logger("a").info("for people")
    assert not terminal.getvalue().startswith("{")

    piped = _log_to(log_format=LogFormat.AUTO)
    structlog.get_logger("c").info("for machines")
    assert _lines(piped)[0]["event"] == "for machines"
