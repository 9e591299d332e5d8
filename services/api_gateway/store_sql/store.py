"""The store as one object: every method is one unit of the writer or one read."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import override

import structlog
from sqlalchemy import update

from services.api_gateway.errors import StoreUnavailableError
from services.api_gateway.fanout import LoggedEvent
from services.api_gateway.store import (
    ActiveRun,
    Appended,
    CancelDecision,
    CommandKey,
    DeletedSession,
    LogPage,
    NewSession,
    RunProposal,
    RunWork,
    SessionResult,
    Snapshot,
    Store,
    StoreStatus,
    WhenBusy,
)
from services.api_gateway.store_sql import (
    compaction,
    founders,
    messages,
    requests,
    run_events,
    runs,
    schema,
    sessions,
    snapshots,
)
from services.api_gateway.store_sql.connections import (
    Connect,
    connect_writer,
    create_file,
)
from services.api_gateway.store_sql.lock import FileLock
from services.api_gateway.store_sql.log import Tx
from services.api_gateway.store_sql.models import meta
from services.api_gateway.store_sql.readers import Readers
from services.api_gateway.store_sql.run_ends import cancelled, failed
from services.api_gateway.store_sql.statements import Reading, Statement
from services.api_gateway.store_sql.writer import Writer
from services.api_gateway.wire.events import TERMINAL_TYPES
from services.api_gateway.wire.views import (
    Accepted,
    FeedbackValue,
    FounderView,
    MessagePage,
    RunAccepted,
    RunError,
    RunView,
    SessionPage,
    SessionView,
)

__all__ = ["SqlStore", "open_store"]

log = structlog.get_logger(__name__)

_PROBE = Statement(
    update(meta).where(meta.c.key == "min_reader").values(value=meta.c.value)
)


@dataclass(frozen=True, slots=True)
class SqlStore(Store):
    """The store on one SQLite file; made by `open_store`."""

    writer: Writer
    readers: Readers
    lock: FileLock
    database_epoch: str
    queue_limit: int
    lease_seconds: float

    @property
    @override
    def epoch(self) -> str:
        return self.database_epoch

    @override
    async def aclose(self) -> None:
        if self.writer.is_closed:
            return
        try:
            await self.writer.submit(
                lambda tx: schema.mark_clean(tx.connection), is_durable=True
            )
        except StoreUnavailableError as error:
            log.warning("store_not_closed_cleanly", detail=error.detail)
        await self.writer.aclose()
        await asyncio.to_thread(self.readers.close)
        self.lock.release()

    @override
    async def status(self) -> StoreStatus:
        detail = ""
        try:
            await self.writer.submit(lambda tx: tx.change(_PROBE), is_durable=False)
        except StoreUnavailableError as error:
            detail = error.detail
        return StoreStatus(
            is_writable=not detail,
            schema=str(schema.SCHEMA),
            detail=detail,
            queue_depth=self.writer.queue_depth,
            counters=self.writer.counters.as_dict(),
        )

    @override
    async def create_founder(self, token_hash: str) -> FounderView:
        return await self._durable(lambda tx: founders.create(tx, token_hash))

    @override
    async def founder_by_token(self, token_hash: str) -> FounderView | None:
        return await self.readers.read(
            lambda reading: founders.find_by_token(reading, token_hash)
        )

    @override
    async def create_session(self, key: CommandKey, new: NewSession) -> SessionResult:
        return await self._durable(lambda tx: sessions.create(tx, key, new))

    @override
    async def update_session(
        self,
        key: CommandKey,
        session_id: str,
        *,
        title: str | None,
        is_archived: bool | None,
    ) -> SessionResult:
        return await self._durable(
            lambda tx: sessions.update_session(
                tx, key, session_id, title=title, is_archived=is_archived
            )
        )

    @override
    async def delete_session(self, key: CommandKey, session_id: str) -> DeletedSession:
        return await self._durable(
            lambda tx: sessions.delete_session(tx, key, session_id)
        )

    @override
    async def accept_message(
        self, key: CommandKey, session_id: str, text: str, when_busy: WhenBusy
    ) -> Accepted:
        return await self._durable(
            lambda tx: messages.accept(
                tx,
                key,
                session_id,
                text=text,
                when_busy=when_busy,
                queue_limit=self.queue_limit,
            )
        )

    @override
    async def retry_run(self, key: CommandKey, run_id: str) -> RunAccepted:
        return await self._durable(lambda tx: runs.retry(tx, key, run_id))

    @override
    async def cancel_run(self, key: CommandKey, run_id: str) -> CancelDecision:
        return await self._durable(lambda tx: runs.cancel(tx, key, run_id))

    @override
    async def rate_message(
        self,
        key: CommandKey,
        message_id: str,
        value: FeedbackValue,
        comment: str | None,
    ) -> int:
        return await self._durable(
            lambda tx: messages.rate(tx, key, message_id, value=value, comment=comment)
        )

    @override
    async def sessions(
        self,
        founder_id: str,
        *,
        cursor: str | None,
        limit: int,
        is_archived: bool,
        title_query: str | None,
    ) -> SessionPage:
        return await self.readers.read(
            lambda reading: sessions.page(
                reading,
                founder_id,
                cursor=cursor,
                limit=limit,
                is_archived=is_archived,
                title_query=title_query,
            )
        )

    @override
    async def session(self, founder_id: str, session_id: str) -> SessionView:
        return await self.readers.read(
            lambda reading: sessions.find(reading, founder_id, session_id)
        )

    @override
    async def messages(
        self, founder_id: str, session_id: str, *, before_seq: int | None, limit: int
    ) -> MessagePage:
        return await self.readers.read(
            lambda reading: messages.page(
                reading,
                founder_id,
                session_id,
                before_seq=before_seq,
                limit=limit,
                epoch=self.epoch,
            )
        )

    @override
    async def run(self, founder_id: str, run_id: str) -> RunView:
        return await self.readers.read(
            lambda reading: runs.find(reading, founder_id, run_id)
        )

    @override
    async def owns_stream(self, founder_id: str, stream: str) -> bool:
        return await self.readers.read(
            lambda reading: founders.owns_stream(reading, founder_id, stream)
        )

    @override
    async def log_page(self, stream: str, after_seq: int, limit: int) -> LogPage:
        return await self.readers.read(
            lambda reading: snapshots.log_page(reading, stream, after_seq, limit)
        )

    @override
    async def snapshot(self, stream: str) -> Snapshot:
        return await self.readers.read(lambda reading: snapshots.take(reading, stream))

    @override
    async def claim_runnable(self, owner: str, limit: int) -> list[RunWork]:
        return await self._quick(
            lambda tx: runs.claim_runnable(
                tx, owner, limit=limit, lease_seconds=self.lease_seconds
            )
        )

    @override
    async def record_dispatch(
        self, run_id: str, address: str, instance_id: str
    ) -> bool:
        # Durable: after a power cut the run must not be dispatched a second time.
        return await self._durable(
            lambda tx: runs.record_dispatch(tx, run_id, address, instance_id)
        )

    @override
    async def append_run_events(
        self, run_id: str, proposals: Sequence[RunProposal]
    ) -> Appended:
        is_terminal = any(proposal.type in TERMINAL_TYPES for proposal in proposals)
        return await self.writer.submit(
            lambda tx: run_events.append_run_events(tx, run_id, proposals),
            is_durable=is_terminal,
            is_patient=all(each.type != "message.started" for each in proposals),
        )

    @override
    async def fail_run(self, run_id: str, error: RunError) -> Appended:
        return await self._durable(lambda tx: runs.end(tx, run_id, failed(error)))

    @override
    async def end_cancelled_run(self, run_id: str, reason: str) -> Appended:
        return await self._durable(lambda tx: runs.end(tx, run_id, cancelled(reason)))

    @override
    async def renew_leases(self, owner: str) -> None:
        await self._quick(
            lambda tx: runs.renew_leases(tx, owner, lease_seconds=self.lease_seconds)
        )

    @override
    async def adopt_runs(self, owner: str) -> list[ActiveRun]:
        return await self._quick(
            lambda tx: runs.adopt(tx, owner, lease_seconds=self.lease_seconds)
        )

    @override
    async def compact(self, *, older_than_seconds: int, limit: int) -> int:
        return await self._quick(
            lambda tx: compaction.compact(
                tx, older_than_seconds=older_than_seconds, limit=limit
            )
        )

    @override
    async def forget_requests(self, *, older_than_seconds: int) -> int:
        return await self._quick(
            lambda tx: requests.forget(tx, older_than_seconds=older_than_seconds)
        )

    async def _durable[T](self, work: Callable[[Tx], T]) -> T:
        """Commit what a person was told: it survives a power cut."""
        return await self.writer.submit(work, is_durable=True)

    async def _quick[T](self, work: Callable[[Tx], T]) -> T:
        """Commit what survives the end of the process, and is done again else."""
        return await self.writer.submit(work, is_durable=False)


async def open_store(
    *,
    path: Path,
    publish: Callable[[Sequence[LoggedEvent]], None],
    end_stream: Callable[[str], None],
    queue_limit: int = 3,
    lease_seconds: float = 15,
    clock: Callable[[], float] = time.time,
    connect: Connect = connect_writer,
) -> SqlStore:
    """Lock, create or migrate the database and start its writer.

    `publish` and `end_stream` are called on the running loop, in the order of the
    commits, before those who waited for a commit go on. `queue_limit` is how many
    messages may wait in a session; `clock` gives seconds since 1970.

    Raises `StoreLockedError` when another process uses the file,
    `SchemaTooNewError` when a newer version wrote it and `StoreUnavailableError`
    when it cannot be written.
    """
    lock, epoch = await asyncio.to_thread(_prepare, path, connect)
    writer = Writer(
        path=path, connect=connect, clock=clock, publish=publish, end_stream=end_stream
    )
    writer.start()
    return SqlStore(writer, Readers(path), lock, epoch, queue_limit, lease_seconds)


def _prepare(path: Path, connect: Connect) -> tuple[FileLock, str]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock.take(path)
    try:
        create_file(path)
        connection = connect(path)
        try:
            schema.migrate(connection, path)
            epoch = _begin_life(connection)
        finally:
            connection.close()
    except sqlite3.Error as error:
        lock.release()
        raise StoreUnavailableError(f"{path} cannot be opened ({error})") from error
    except BaseException:
        lock.release()
        raise
    return lock, epoch


def _begin_life(connection: sqlite3.Connection) -> str:
    connection.execute("BEGIN IMMEDIATE")
    epoch = schema.open_epoch(connection)
    runs.expire_leases(Reading(connection))
    connection.execute("COMMIT")
    return epoch
