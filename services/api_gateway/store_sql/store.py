"""The store as one object: every method is one unit of the writer or one read."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import override

import structlog
from sqlalchemy import update

from services.api_gateway.errors import StoreUnavailableError
from services.api_gateway.store import (
    ActiveRun,
    Appended,
    CancelDecision,
    CommandKey,
    DeletedSession,
    DispatchPlace,
    HeldRuns,
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
    branches,
    compaction,
    founders,
    links,
    messages,
    requests,
    run_events,
    run_queue,
    runs,
    schema,
    search,
    sessions,
    snapshots,
)
from services.api_gateway.store_sql.life import LifeNote
from services.api_gateway.store_sql.lock import FileLock
from services.api_gateway.store_sql.log import Tx
from services.api_gateway.store_sql.models import meta
from services.api_gateway.store_sql.readers import Readers
from services.api_gateway.store_sql.run_ends import cancelled, failed
from services.api_gateway.store_sql.statements import Statement
from services.api_gateway.store_sql.writer import Writer
from services.api_gateway.wire.events import TERMINAL_TYPES
from services.api_gateway.wire.views import (
    Accepted,
    Branched,
    FeedbackValue,
    FounderView,
    MessagePage,
    RunAccepted,
    RunError,
    RunView,
    SearchPage,
    SessionPage,
    SessionView,
)

__all__ = ["SqlStore"]

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
    note: LifeNote
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
        mark: str | None = self.note.new_mark()
        try:
            await self.writer.submit(
                lambda tx: schema.mark_clean(tx.connection, str(mark)), is_durable=True
            )
        except StoreUnavailableError as error:
            log.warning("store_not_closed_cleanly", detail=error.detail)
            mark = None
        # The writer is the last to close: SQLite then empties its log into the file.
        await asyncio.to_thread(self.readers.close)
        await self.writer.aclose()
        await asyncio.to_thread(self._end_life, mark)

    def _end_life(self, mark: str | None) -> None:
        try:
            if mark is not None:
                self.note.end(mark)
        except OSError as error:
            log.warning("store_not_closed_cleanly", detail=str(error))
        finally:
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
    async def create_link(
        self, key: CommandKey, link_hash: str, *, lifetime_seconds: int
    ) -> str:
        return await self._durable(
            lambda tx: links.create(
                tx, key, link_hash, lifetime_seconds=lifetime_seconds
            )
        )

    @override
    async def redeem_link(
        self, link_hash: str, *, request_id: str, token_hash: str
    ) -> FounderView:
        return await self._durable(
            lambda tx: links.redeem(
                tx, link_hash, request_id=request_id, token_hash=token_hash
            )
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
        is_pinned: bool | None = None,
    ) -> SessionResult:
        return await self._durable(
            lambda tx: sessions.update_session(
                tx,
                key,
                session_id,
                title=title,
                is_archived=is_archived,
                is_pinned=is_pinned,
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
    async def branch_session(
        self, key: CommandKey, session_id: str, message_id: str, text: str
    ) -> Branched:
        return await self._durable(
            lambda tx: branches.create(
                tx, key, session_id, message_id=message_id, text=text
            )
        )

    @override
    async def retry_run(self, key: CommandKey, run_id: str) -> RunAccepted:
        return await self._durable(lambda tx: runs.retry(tx, key, run_id))

    @override
    async def cancel_run(
        self, key: CommandKey, run_id: str, reason: str = "founder"
    ) -> CancelDecision:
        return await self._durable(lambda tx: runs.cancel(tx, key, run_id, reason))

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
        self,
        founder_id: str,
        session_id: str,
        *,
        before_seq: int | None = None,
        around_seq: int | None = None,
        after_seq: int | None = None,
        limit: int,
    ) -> MessagePage:
        window = messages.Window.of(
            before_seq=before_seq,
            around_seq=around_seq,
            after_seq=after_seq,
            limit=limit,
        )
        return await self.readers.read(
            lambda reading: messages.page(
                reading, founder_id, session_id, window=window, epoch=self.epoch
            )
        )

    @override
    async def search(
        self, founder_id: str, *, query: str, cursor: str | None, limit: int
    ) -> SearchPage:
        return await self.readers.read(
            lambda reading: search.find(
                reading, founder_id, query=query, cursor=cursor, limit=limit
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
    async def claim_runnable(
        self, owner: str, limit: int, places: Sequence[DispatchPlace] = ()
    ) -> list[RunWork]:
        # Durable: after a power cut no run must be dispatched a second time.
        return await self._durable(
            lambda tx: runs.claim_runnable(
                tx,
                owner,
                limit=limit,
                places=places,
                lease_seconds=self.lease_seconds,
            )
        )

    @override
    async def waiting_runs(self) -> int:
        return await self.readers.read(run_queue.all_waiting)

    @override
    async def record_dispatch(self, run_id: str, place: DispatchPlace) -> bool:
        # Durable for the same reason.
        return await self._durable(lambda tx: runs.record_dispatch(tx, run_id, place))

    @override
    async def append_run_events(
        self, run_id: str, proposals: Sequence[RunProposal]
    ) -> Appended:
        is_terminal = any(proposal.type in TERMINAL_TYPES for proposal in proposals)
        return await self.writer.submit(
            lambda tx: run_events.append_run_events(tx, run_id, proposals),
            is_durable=is_terminal,
            is_patient=not is_terminal
            and all(each.type != "message.started" for each in proposals),
        )

    @override
    async def fail_run(self, run_id: str, error: RunError) -> Appended:
        return await self._durable(lambda tx: runs.end(tx, run_id, failed(error)))

    @override
    async def end_cancelled_run(self, run_id: str, reason: str) -> Appended:
        return await self._durable(lambda tx: runs.end(tx, run_id, cancelled(reason)))

    @override
    async def renew_leases(self, owner: str) -> HeldRuns:
        return await self._quick(
            lambda tx: runs.renew_leases(tx, owner, lease_seconds=self.lease_seconds)
        )

    @override
    async def release_claims(self, owner: str, run_ids: Sequence[str]) -> None:
        await self._quick(lambda tx: runs.release_claims(tx, owner, run_ids))

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
