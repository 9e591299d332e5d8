"""What a client sent: read, told apart and checked."""

import json
import time
from collections.abc import Callable
from typing import Any, NoReturn

from pydantic import ValidationError

from services.api_gateway.errors import InvalidCommandError
from services.api_gateway.socket.settings import SocketSettings
from services.api_gateway.wire.frames import ClientFrame, client_frame_adapter

__all__ = [
    "CLIENT_TYPES",
    "FrameAllowance",
    "MalformedFrameError",
    "parse",
    "request_id_of",
    "validate",
]

CLIENT_TYPES = frozenset(client_frame_adapter.json_schema()["discriminator"]["mapping"])

_MAX_REQUEST_ID = 64


class MalformedFrameError(Exception):
    """The frame is no JSON object with a known `type`: no client of ours."""


class FrameAllowance:
    """How many more frames one socket may send: a bucket that fills with time."""

    def __init__(self, settings: SocketSettings) -> None:
        self._settings = settings
        self._frames = float(settings.burst_frames)
        self._filled_at = time.monotonic()

    def take(self, frames: int) -> bool:
        """Count frames that came; whether there was room for them."""
        now = time.monotonic()
        gained = (now - self._filled_at) * self._settings.frames_per_second
        self._filled_at = now
        self._frames = min(self._frames + gained, self._settings.burst_frames) - frames
        return self._frames >= 0


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


# The standard library's reader keeps lone surrogates, which are then refused
# as a field's value and not as the whole frame.
_decode: Callable[[str], Any] = json.JSONDecoder(parse_constant=_refuse_constant).decode


def parse(text: str) -> dict[str, Any]:
    """Read a frame; raises `MalformedFrameError`."""
    try:
        frame = _decode(text)
    except ValueError as error:
        raise MalformedFrameError("not JSON") from error
    except RecursionError as error:
        raise MalformedFrameError("nested too deeply") from error
    if not isinstance(frame, dict):
        raise MalformedFrameError("not a JSON object")
    frame_type = frame.get("type")
    if not isinstance(frame_type, str) or frame_type not in CLIENT_TYPES:
        raise MalformedFrameError("unknown type")
    return frame


def validate(frame: dict[str, Any]) -> ClientFrame:
    """Check the fields of a parsed frame.

    Raises `InvalidCommandError` naming the first field that is wrong.
    """
    try:
        return client_frame_adapter.validate_python(frame)
    except ValidationError as error:
        first = error.errors(
            include_url=False, include_context=False, include_input=False
        )[0]
        # The first part is the frame's type, which the client knows.
        field = ".".join(str(part) for part in first["loc"][1:])
        detail = f"{field}: {first['msg']}" if field else first["msg"]
        raise InvalidCommandError(_printable(detail)) from error


def request_id_of(frame: dict[str, Any]) -> str | None:
    """The request id as the client wrote it, when it can be given back."""
    request_id = frame.get("request_id")
    if (
        isinstance(request_id, str)
        and len(request_id) <= _MAX_REQUEST_ID
        and request_id.isascii()
        and request_id.isprintable()
    ):
        return request_id
    return None


def _printable(detail: str) -> str:
    """Make sure that a client's own field names can be sent back."""
    return detail[:500].encode("utf-8", "replace").decode()
