"""The logs: dense numbers per stream and the text every reader sees."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import override

from services.api_gateway.fanout import LoggedEvent
from services.api_gateway.store_sql.statements import Reading, Statement

__all__ = [
    "STREAM_PREFIX",
    "Row",
    "Tx",
    "founder_stream",
    "json_text",
    "logged_event",
    "session_stream",
    "timestamp",
]

_LAST_SEQ = "SELECT last_seq FROM streams WHERE stream = ?"
_ADVANCE = "UPDATE streams SET last_seq = ? WHERE stream = ?"
_INSERT = (
    "INSERT INTO events (stream, seq, ts, type, run_id, run_offset, data)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)

STREAM_PREFIX = "session:"
"""What the name of a session's stream begins with."""

Row = tuple[object, ...] | Mapping[str, object]
"""The values of one execution of a statement."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def json_text(value: object) -> str:
    """Compact JSON, as stored and as sent."""
    return _encode(value)


def session_stream(session_id: str) -> str:
    """The name of a session's stream."""
    return f"{STREAM_PREFIX}{session_id}"


def founder_stream(founder_id: str) -> str:
    """The name of a founder's stream."""
    return f"founder:{founder_id}"


def timestamp(seconds: float) -> str:
    """RFC 3339, UTC, milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment.isoformat(timespec='milliseconds')[:-6]}Z"


def logged_event(
    *, stream: str, seq: int, ts: str, event_type: str, run_id: str | None, data: str
) -> LoggedEvent:
    """An event with its frame; `data` is JSON text already.

    Names and ids are made by this product and need no escaping.
    """
    run = "null" if run_id is None else f'"{run_id}"'
    frame = (
        f'{{"stream":"{stream}","seq":{seq},"ts":"{ts}","type":"{event_type}",'
        f'"run_id":{run},"data":{data}}}'
    )
    return LoggedEvent(stream, seq, event_type, frame)


class Tx(Reading):
    """A write transaction: what it appends is published once it is committed.

    What is put off with `later` is written before anything else is read or written,
    and with `write_rest` at the latest: the pieces of many messages take as many
    statements as those of one.
    """

    def __init__(self, connection: sqlite3.Connection, now_seconds: float) -> None:
        super().__init__(connection)
        self.now_ms = int(now_seconds * 1000)
        self.now = timestamp(now_seconds)
        self.appended: list[LoggedEvent] = []
        self.ended_streams: list[str] = []
        self._later: dict[str, list[Row]] = {}
        self._touched: set[str] = set()

    @property
    @override
    def connection(self) -> sqlite3.Connection:
        """The connection, with everything in it that was put off."""
        if self._later:
            self.write_rest()
        return self._connection

    @property
    def has_rest(self) -> bool:
        """Whether something was put off and is not written yet."""
        return bool(self._later)

    def later(self, stream: str, sql: str, rows: Iterable[Row]) -> None:
        """Put off a change of rows that belong to a session's stream."""
        self._later.setdefault(sql, []).extend(rows)
        self._touched.add(stream)

    def write_rest(self) -> None:
        """Write what was put off; when that fails it stays put off."""
        for sql, rows in self._later.items():
            self._connection.executemany(sql, rows)
        self.drop_rest()

    def drop_rest(self) -> None:
        """Forget what was put off."""
        self._later.clear()
        self._touched.clear()

    def one_of_session(
        self, statement: Statement, /, **parameters: object
    ) -> sqlite3.Row | None:
        """The only row, which has a `session_id`; what was put off for others stays so.

        The statement reads what belongs to that session alone.
        """
        bound = statement.bind(parameters)
        row: sqlite3.Row | None = self._connection.execute(
            statement.sql, bound
        ).fetchone()
        if row is None or session_stream(row["session_id"]) not in self._touched:
            return row
        return self.one(statement, **parameters)

    def last_seq(self, stream: str) -> int:
        """The stream's last number; 0 when it does not exist."""
        row = self.connection.execute(_LAST_SEQ, (stream,)).fetchone()
        return 0 if row is None else int(row[0])

    def append(
        self,
        stream: str,
        event_type: str,
        data: Mapping[str, object],
        *,
        run_id: str | None = None,
        run_offset: int | None = None,
    ) -> int:
        """Append one event and return its seq."""
        seq = self._advance(stream)
        text = json_text(data)
        self.connection.execute(
            _INSERT, (stream, seq, self.now, event_type, run_id, run_offset, text)
        )
        self._log(stream, seq, event_type=event_type, run_id=run_id, data=text)
        return seq

    def append_run(
        self,
        stream: str,
        run_id: str | None,
        rows: Sequence[tuple[int | None, str, Mapping[str, object]]],
        *,
        last_seq: int,
    ) -> None:
        """Append (offset, type, data) of a run, or of none, after the stream's last.

        Written with what others append in this transaction.
        """
        inserts = []
        for seq, (offset, event_type, data) in enumerate(rows, last_seq + 1):
            text = json_text(data)
            inserts.append((stream, seq, self.now, event_type, run_id, offset, text))
            self._log(stream, seq, event_type=event_type, run_id=run_id, data=text)
        self.later(stream, _INSERT, inserts)
        self.later(stream, _ADVANCE, [(last_seq + len(rows), stream)])

    def _advance(self, stream: str) -> int:
        """Take the stream's next number."""
        # RETURNING would have SQLite open a table of its own: 16 µs instead of 5.
        [last] = self.connection.execute(_LAST_SEQ, (stream,)).fetchone()
        self.connection.execute(_ADVANCE, (last + 1, stream))
        return int(last) + 1

    def _log(
        self, stream: str, seq: int, *, event_type: str, run_id: str | None, data: str
    ) -> None:
        self.appended.append(
            logged_event(
                stream=stream,
                seq=seq,
                ts=self.now,
                event_type=event_type,
                run_id=run_id,
                data=data,
            )
        )
