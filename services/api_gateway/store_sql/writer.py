"""The group-commit writer: one thread, one connection, many callers.

A unit of work is committed at once when the thread is idle; what gathers while a
commit is under way goes into the next one together. A patient unit (all of a run
but its first words) lets others join it within `_REST_SECONDS` of the last patient
commit; a unit that is not patient ends that rest.
Callers hear of a unit only after its commit, and after its events were published.
A COMMIT that fails may have stored its events all the same: before anything else is
written, those that are in the log are found there and published.
"""

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import structlog

from services.api_gateway.errors import StoreUnavailableError
from services.api_gateway.fanout import LoggedEvent
from services.api_gateway.store_sql.connections import Connect, is_failing
from services.api_gateway.store_sql.life import FileIdentity
from services.api_gateway.store_sql.log import Tx

__all__ = ["OnCommit", "Writer", "WriterCounters", "ignore_commit"]

log = structlog.get_logger(__name__)

_BATCH_LIMIT = 256

OnCommit = Callable[[int, float], None]
"""Told of units and seconds of a commit, in the writer's thread."""


def ignore_commit(_units: int, _seconds: float) -> None:
    """Tell nobody."""


_REST_SECONDS = 0.01
"""Between patient commits: at 1,000 units a second ten share one. A lone run's
pieces come less often and wait for nothing."""

_TICK_SECONDS = 0.001

_IS_LOGGED = "SELECT 1 FROM events WHERE stream = ? AND seq = ?"
_IS_STREAM = "SELECT 1 FROM streams WHERE stream = ?"
_TOUCH = "UPDATE meta SET value = value WHERE key = 'min_reader'"


@dataclass(slots=True)
class WriterCounters:
    """What the writer did since it was opened."""

    units: int = 0
    commits: int = 0
    events: int = 0
    failed_commits: int = 0

    def as_dict(self) -> dict[str, int]:
        """Name every figure."""
        return {
            "units": self.units,
            "commits": self.commits,
            "events": self.events,
            "failed_commits": self.failed_commits,
        }


@dataclass(frozen=True, slots=True)
class _Unit:
    """Work to commit and the caller who waits for it."""

    work: Callable[[Tx], Any]
    is_durable: bool
    is_patient: bool
    future: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class _Refused:
    """A unit that raised; nothing of it is in the transaction."""

    error: Exception


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a batch led to, one result per unit."""

    results: Sequence[object]
    appended: Sequence[LoggedEvent] = ()
    ended_streams: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Doubt:
    """What a COMMIT would have stored that failed, or did."""

    appended: Sequence[LoggedEvent]
    ended_streams: Sequence[str]


class _SpoiledError(Exception):
    """A unit raised after it had written: the batch needs savepoints."""


@dataclass(slots=True)
class Writer:
    """Executes units on its thread and delivers their results on the loop."""

    identity: FileIdentity
    connect: Connect
    clock: Callable[[], float]
    publish: Callable[[Sequence[LoggedEvent]], None]
    end_stream: Callable[[str], None]
    capacity: int = 1024
    counters: WriterCounters = field(default_factory=WriterCounters)
    on_commit: OnCommit = ignore_commit
    _loop: asyncio.AbstractEventLoop = field(init=False)
    _slots: asyncio.Semaphore = field(init=False)
    _queue: "queue.SimpleQueue[_Unit | None]" = field(init=False)
    _thread: threading.Thread = field(init=False)
    _connection: sqlite3.Connection | None = field(init=False, default=None)
    _is_durable: bool = field(init=False, default=True)
    _is_closed: bool = field(init=False, default=False)
    _is_urgent: threading.Event = field(init=False)
    _waiting: int = field(init=False, default=0)
    _patient_commit_at: float = field(init=False, default=0.0)
    _last_now: float = field(init=False, default=0.0)
    _doubt: _Doubt | None = field(init=False, default=None)

    def start(self) -> None:
        """Start the thread; results are delivered on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._slots = asyncio.Semaphore(self.capacity)
        self._queue = queue.SimpleQueue()
        self._is_urgent = threading.Event()
        self._thread = threading.Thread(
            target=self._serve, name="store-writer", daemon=True
        )
        self._thread.start()

    @property
    def queue_depth(self) -> int:
        """How many units were handed in and are not yet delivered."""
        return self._waiting

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is taken."""
        return self._is_closed

    async def submit[T](
        self, work: Callable[[Tx], T], *, is_durable: bool, is_patient: bool = False
    ) -> T:
        """Have work committed; waits for a place when too much is under way.

        A caller that is cancelled gives up the answer, not the commit. Work may be
        executed more than once before it is committed, never afterwards. Raises
        `StoreUnavailableError` when the commit failed, else what the work raised.
        """
        await self._slots.acquire()
        if self._is_closed:
            self._slots.release()
            raise StoreUnavailableError("the store is closed; start the gateway")
        future: asyncio.Future[T] = self._loop.create_future()
        self._waiting += 1
        self._queue.put(_Unit(work, is_durable, is_patient, future))
        if not is_patient:
            self._is_urgent.set()
        return await future

    async def aclose(self) -> None:
        """Finish what was handed in, then end the thread."""
        self._is_closed = True
        self._queue.put(None)
        self._is_urgent.set()
        await asyncio.to_thread(self._thread.join)
        # The last results were handed to the loop before the thread ended.
        await asyncio.sleep(0)

    def _serve(self) -> None:
        is_open = True
        while is_open:
            batch, is_open = self._gather()
            if batch:
                outcome = self._execute(batch)
                self._loop.call_soon_threadsafe(self._deliver, batch, outcome)
        self._disconnect()

    def _gather(self) -> tuple[list[_Unit], bool]:
        batch: list[_Unit] = []
        unit = self._queue.get()
        if unit is not None and unit.is_patient:
            rest = self._patient_commit_at + _REST_SECONDS - time.monotonic()
            if rest > 0:
                self._is_urgent.wait(rest)
        self._is_urgent.clear()
        while unit is not None:
            batch.append(unit)
            if len(batch) == _BATCH_LIMIT:
                return batch, True
            try:
                unit = self._queue.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _execute(self, batch: Sequence[_Unit]) -> _Outcome:
        try:
            try:
                return self._commit(batch, has_savepoints=False)
            except _SpoiledError:
                self._roll_back()
                return self._commit(batch, has_savepoints=True)
        except StoreUnavailableError as error:
            # Another connection would open other files beside those in use.
            self.counters.failed_commits += 1
            log.error("store_files_changed", detail=error.detail)  # noqa: TRY400 - the detail says it all
            return _Outcome([_Refused(error) for _ in batch])
        except Exception as error:
            self.counters.failed_commits += 1
            log.exception("store_commit_failed", units=len(batch))
            self._disconnect()
            detail = f"the database cannot be written just now ({error}); try again"
            return _Outcome([_Refused(StoreUnavailableError(detail)) for _ in batch])

    def _commit(self, batch: Sequence[_Unit], *, has_savepoints: bool) -> _Outcome:
        is_durable = self._doubt is not None or any(unit.is_durable for unit in batch)
        began = time.perf_counter()
        connection = self._begin(is_durable=is_durable)
        tx = Tx(connection, self._now())
        if self._doubt is not None:
            self._settle(tx, self._doubt)
        apply = self._apply_guarded if has_savepoints else self._apply
        results = [apply(tx, unit) for unit in batch]
        self._write_rest(tx)
        self._doubt = _Doubt(tx.appended, tx.ended_streams)
        connection.execute("COMMIT")
        self._doubt = None
        if any(unit.is_patient for unit in batch):
            self._patient_commit_at = time.monotonic()
        self.counters.units += len(batch)
        self.counters.commits += 1
        self.counters.events += len(tx.appended)
        self.on_commit(len(batch), time.perf_counter() - began)
        return _Outcome(results, tx.appended, tx.ended_streams)

    def _begin(self, *, is_durable: bool) -> sqlite3.Connection:
        connection = self._connection
        if connection is None:
            self.identity.check_database()
            connection = self._connection = self.connect(self.identity.path)
            self._is_durable = True
            connection.execute(_IS_STREAM, ("",)).fetchone()
            self.identity.note_log()
        else:
            self.identity.check()
        if is_durable is not self._is_durable:
            level = "FULL" if is_durable else "NORMAL"
            connection.execute(f"PRAGMA synchronous = {level}")
            self._is_durable = is_durable
        connection.execute("BEGIN IMMEDIATE")
        return connection

    def _now(self) -> float:
        """The clock's time; it goes on slowly where the clock was set back."""
        now = self.clock()
        if now < self._last_now:
            now = self._last_now + _TICK_SECONDS
        self._last_now = now
        return now

    def _settle(self, tx: Tx, doubt: _Doubt) -> None:
        """Publish with this commit what the failed one has stored."""
        execute = tx.connection.execute
        for event in doubt.appended:
            if execute(_IS_LOGGED, (event.stream, event.seq)).fetchone():
                tx.appended.append(event)
        for stream in doubt.ended_streams:
            if execute(_IS_STREAM, (stream,)).fetchone() is None:
                tx.ended_streams.append(stream)
        if tx.appended or tx.ended_streams:
            # Something to commit, so that what is told now survives a power cut.
            execute(_TOUCH)
            log.warning("store_commit_was_stored", events=len(tx.appended))

    def _write_rest(self, tx: Tx) -> None:
        """Write what the units put off."""
        try:
            tx.write_rest()
        except Exception as error:
            if isinstance(error, sqlite3.Error) and is_failing(error):
                raise
            raise _SpoiledError from error

    def _apply(self, tx: Tx, unit: _Unit) -> object:
        if not unit.is_patient:
            # A command may be refused, and is then to have written nothing.
            self._write_rest(tx)
        connection = cast("sqlite3.Connection", self._connection)
        changes = connection.total_changes
        try:
            return unit.work(tx)
        except Exception as error:
            if isinstance(error, sqlite3.Error) and is_failing(error):
                raise
            if tx.has_rest or connection.total_changes != changes:
                raise _SpoiledError from error
            return _Refused(error)

    def _apply_guarded(self, tx: Tx, unit: _Unit) -> object:
        marks = len(tx.appended), len(tx.ended_streams)
        tx.connection.execute("SAVEPOINT unit")
        try:
            result = unit.work(tx)
            tx.write_rest()
        except Exception as error:
            if isinstance(error, sqlite3.Error) and is_failing(error):
                raise
            tx.drop_rest()
            tx.connection.execute("ROLLBACK TO unit")
            del tx.appended[marks[0] :], tx.ended_streams[marks[1] :]
            result = _Refused(error)
        tx.connection.execute("RELEASE unit")
        return result

    def _roll_back(self) -> None:
        cast("sqlite3.Connection", self._connection).execute("ROLLBACK")

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _deliver(self, batch: Sequence[_Unit], outcome: _Outcome) -> None:
        self._waiting -= len(batch)
        try:
            if outcome.appended:
                self.publish(outcome.appended)
            for stream in outcome.ended_streams:
                self.end_stream(stream)
        finally:
            for unit, result in zip(batch, outcome.results, strict=True):
                self._slots.release()
                if unit.future.done():
                    continue
                if isinstance(result, _Refused):
                    unit.future.set_exception(result.error)
                else:
                    unit.future.set_result(result)
