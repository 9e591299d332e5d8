"""What may stand in a log line: bounded values, and errors without their data.

An error's text may quote what it choked on: a founder's words, an argument, a
key. It is shown only of errors that speak of the system, unless asked.
"""

import math
import re
import traceback
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final

from libs.errors import VentureBotsError

__all__ = ["bounded", "escaped", "told_errors"]

MAX_CHARACTERS: Final = 2_000
_MAX_ITEMS: Final = 50
_MAX_DEPTH: Final = 4
_MAX_ERRORS: Final = 8
_MAX_FRAMES: Final = 20
_SYSTEM_ERRORS: Final = (
    VentureBotsError,
    OSError,
    RuntimeError,
    ImportError,
    MemoryError,
)
_SYSTEM_PACKAGES: Final = frozenset({"sqlite3", "grpc", "ssl"})
# Whatever moves a cursor, ends a line, turns the direction or is no character.
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def bounded(value: object, depth: int = _MAX_DEPTH) -> object:
    """Make any value one that JSON can hold and a line has room for."""
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case str():
            return _cut(value)
        case Mapping() if depth:
            pairs = list(value.items())[:_MAX_ITEMS]
            return {_cut(str(key)): bounded(each, depth - 1) for key, each in pairs}
        case list() | tuple() | set() | frozenset() if depth:
            return [bounded(each, depth - 1) for each in list(value)[:_MAX_ITEMS]]
        case _:
            return _cut(_described(value))


def escaped(text: str) -> str:
    """Spell out every character that could act on a terminal."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def told_errors(
    error: BaseException, *, shows_texts: bool
) -> Iterator[dict[str, str | list[str]]]:
    """Tell an error and what led to it, the last first."""
    for each in _chain(error):
        kind = type(each)
        told: dict[str, str | list[str]] = {
            "type": f"{kind.__module__}.{kind.__name__}"
        }
        if shows_texts or _speaks_of_system(each):
            told["text"] = _cut(_described(each))
        told["frames"] = _frames(each.__traceback__)
        yield told


def _chain(error: BaseException) -> list[BaseException]:
    waiting, found = [error], list[BaseException]()
    while waiting and len(found) < _MAX_ERRORS:
        each = waiting.pop(0)
        if any(each is known for known in found):
            continue
        found.append(each)
        if isinstance(each, BaseExceptionGroup):
            waiting.extend(each.exceptions)
        cause = each.__cause__
        if cause is None and not each.__suppress_context__:
            cause = each.__context__
        if cause is not None:
            waiting.append(cause)
    return found


def _speaks_of_system(error: BaseException) -> bool:
    package = type(error).__module__.partition(".")[0]
    return isinstance(error, _SYSTEM_ERRORS) or package in _SYSTEM_PACKAGES


def _frames(trace: TracebackType | None) -> list[str]:
    # Never their local variables: they hold tokens and prompts.
    frames: Sequence[traceback.FrameSummary] = traceback.StackSummary.extract(
        traceback.walk_tb(trace), lookup_lines=False
    )
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames][
        -_MAX_FRAMES:
    ]


def _described(value: Any) -> str:  # noqa: ANN401 - anything may be logged
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a line is written whatever the value does
        return f"<{type(value).__name__}>"


def _cut(text: str) -> str:
    if len(text) <= MAX_CHARACTERS:
        return text
    return f"{text[:MAX_CHARACTERS]}… ({len(text)} characters)"
