"""Server-sent events out of bytes, however they were cut on the way."""

__all__ = ["SSEParser", "SSETooLongError"]

MAX_EVENT_BYTES = 1_048_576

_BOM = b"\xef\xbb\xbf"


class SSETooLongError(ValueError):
    """An event is longer than any honest one."""


class SSEParser:
    """Gives the data of each event; names, ids and comments are dropped.

    Lines end with LF, CRLF or CR. Data is bytes: a character cut in two by the
    network is whole again before anyone decodes it.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_bytes = max_event_bytes
        self._rest = b""
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._is_at_start = True
        self._ended_with_cr = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take the next bytes; returns the data of the events they complete.

        Raises:
            SSETooLongError: An event exceeds the bound.

        """
        if self._ended_with_cr or b"\r" in chunk:
            chunk = self._with_line_feeds(chunk)
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) + self._data_bytes > self._max_bytes:
            raise SSETooLongError(f"an event exceeds {self._max_bytes} bytes")
        events: list[bytes] = []
        for line in lines:
            if line:
                self._take_line(line)
            elif self._data:
                events.append(self._complete())
            else:
                self._is_at_start = False
        return events

    def finish(self) -> list[bytes]:
        """End the stream; an event whose blank line is missing counts."""
        if self._rest:
            self._take_line(self._rest)
            self._rest = b""
        return [self._complete()] if self._data else []

    def _with_line_feeds(self, chunk: bytes) -> bytes:
        if self._ended_with_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._ended_with_cr = False
        if chunk:
            self._ended_with_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _take_line(self, line: bytes) -> None:
        if self._is_at_start:
            line = line.removeprefix(_BOM)
            self._is_at_start = False
        if line.startswith(b"data:"):
            data = line[6:] if line[5:6] == b" " else line[5:]
        elif line == b"data":
            data = b""
        else:
            return
        self._data_bytes += len(data) + 1
        if self._data_bytes > self._max_bytes:
            raise SSETooLongError(f"an event exceeds {self._max_bytes} bytes")
        self._data.append(data)

    def _complete(self) -> bytes:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data.clear()
        self._data_bytes = 0
        return data
