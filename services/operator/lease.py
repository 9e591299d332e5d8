"""Which replica leads: one Lease, and the promise that only its holder writes.

The holder renews every 2 s and stops leading when that failed for 10 s. Others take
the Lease once they have seen it unchanged for the 15 s that it lasts. Both count by
their own clocks, from the moment a renewal was sent and from the moment it was seen:
the old holder has always stopped before a new one starts.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from services.operator.errors import ApiConflictError, ApiError, NotLeadingError

__all__ = ["Election", "Leadership", "LeaseRecord", "LeaseStore", "Timing"]

_logger = structlog.get_logger(__name__)
_MARGIN_SECONDS: Final = 1.0
"""A write that could outlast the Lease is not begun."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a Lease lasts, when its holder gives up, how often all look."""

    lease_seconds: float = 15
    renew_deadline_seconds: float = 10
    retry_seconds: float = 2


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """A Lease as it is stored; an empty holder has released it.

    `version` is the resourceVersion it was read with.
    """

    holder: str
    lease_seconds: float
    acquired_at: datetime
    renewed_at: datetime
    transitions: int
    version: str = ""


class LeaseStore(Protocol):
    """Where the Lease is; every method may raise ApiError."""

    async def read(self) -> LeaseRecord | None:
        """Return the Lease, None when there is none."""

    async def create(self, record: LeaseRecord) -> LeaseRecord:
        """Make the Lease; raises ApiConflictError when there is one."""

    async def replace(self, record: LeaseRecord) -> LeaseRecord:
        """Write the Lease over `record.version`.

        Raises ApiConflictError when it is another by now.
        """


class Leadership:
    """Whether this process may write, at this very moment."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._renewed_at: float | None = None
        self._writes = 0
        self._no_writes = asyncio.Event()
        self._no_writes.set()

    @property
    def is_held(self) -> bool:
        """Whether the Lease is held and was renewed in time."""
        return self._left(self._timing.renew_deadline_seconds) > 0

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[None]:
        """Enclose one write: it is not begun, or cut short, when another may lead.

        Raises NotLeadingError.
        """
        left = self._left(self._timing.lease_seconds) - _MARGIN_SECONDS
        if not self.is_held or left <= 0:
            raise NotLeadingError("this replica does not lead: nothing is written")
        self._writes += 1
        self._no_writes.clear()
        try:
            async with asyncio.timeout(left):
                yield
        except TimeoutError as error:
            raise NotLeadingError("the Lease ran out during a write") from error
        finally:
            self._writes -= 1
            if not self._writes:
                self._no_writes.set()

    def renewed(self, sent_at: float) -> None:
        """Note that a renewal sent at a time of the loop's clock succeeded."""
        self._renewed_at = sent_at

    def lost(self) -> None:
        """Write nothing from now on."""
        self._renewed_at = None

    async def drain(self, seconds: float) -> None:
        """Begin no write any more, and wait a while for those under way."""
        self.lost()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._no_writes.wait(), seconds)

    def _left(self, seconds: float) -> float:
        if self._renewed_at is None:
            return 0
        return self._renewed_at + seconds - asyncio.get_running_loop().time()


class Election:
    """Takes the Lease when it is free, renews it, and says when that changes."""

    def __init__(
        self,
        *,
        identity: str,
        store: LeaseStore,
        leadership: Leadership,
        timing: Timing,
        on_change: Callable[[bool], None],
    ) -> None:
        self._identity = identity
        self._store = store
        self._leadership = leadership
        self._timing = timing
        self._on_change = on_change
        self._record: LeaseRecord | None = None
        self._seen_at = 0.0
        self._leads = False

    @property
    def leads(self) -> bool:
        """Whether it was told last that this process leads."""
        return self._leads

    @property
    def has_looked(self) -> bool:
        """Whether the Lease was read at least once."""
        return self._record is not None

    async def run(self) -> None:
        """Look every `retry_seconds` for ever; cancel it, then `release`."""
        while True:
            try:
                async with asyncio.timeout(self._patience()):
                    await self._look()
            except (ApiError, TimeoutError) as error:
                _logger.warning("lease not renewed or read", error=repr(error))
            self._tell(leads=self._leadership.is_held)
            # Replicas that stand by do not all ask at the same moments.
            spread = 0 if self._leads else random.random() / 5  # noqa: S311 - no secret
            await asyncio.sleep(self._timing.retry_seconds * (1 + spread))

    async def release(self) -> None:
        """Give the Lease back at once, so that another need not wait for its end."""
        if not self._leads or self._record is None:
            return
        self._leadership.lost()
        self._tell(leads=False)
        released = replace(
            self._record, holder="", lease_seconds=1, renewed_at=datetime.now(UTC)
        )
        try:
            async with asyncio.timeout(self._timing.retry_seconds):
                await self._store.replace(released)
        except (ApiError, TimeoutError) as error:
            _logger.warning("lease not released", error=repr(error))

    async def _look(self) -> None:
        if self._leads and self._record is not None:
            await self._renew(self._record)
            return
        found = await self._store.read()
        if found is None:
            await self._take(None)
            return
        self._note(found)
        if self._is_free(found):
            await self._take(found)

    async def _renew(self, record: LeaseRecord) -> None:
        sent_at = asyncio.get_running_loop().time()
        try:
            renewed = replace(record, renewed_at=datetime.now(UTC))
            self._record = await self._store.replace(renewed)
        except ApiConflictError:
            found = await self._store.read()
            if found is not None and found.holder == self._identity:
                # An earlier renewal had reached the server after all.
                self._record = found
                return
            self._leadership.lost()
            self._record = found
            return
        if self._leadership.is_held:
            self._leadership.renewed(sent_at)
        # Else it came too late: writes may have been turned away already. What was
        # given up is taken anew, by the next look.

    async def _take(self, found: LeaseRecord | None) -> None:
        now = datetime.now(UTC)
        sent_at = asyncio.get_running_loop().time()
        taken = LeaseRecord(
            holder=self._identity,
            lease_seconds=self._timing.lease_seconds,
            acquired_at=now,
            renewed_at=now,
            transitions=found.transitions + 1 if found else 0,
            version=found.version if found else "",
        )
        try:
            if found is None:
                self._record = await self._store.create(taken)
            else:
                self._record = await self._store.replace(taken)
        except ApiConflictError:
            return
        self._leadership.renewed(sent_at)

    def _note(self, found: LeaseRecord) -> None:
        if self._record is None or found.version != self._record.version:
            self._record = found
            self._seen_at = asyncio.get_running_loop().time()

    def _is_free(self, found: LeaseRecord) -> bool:
        # Identities are new at every start: what has this one's was its own all along.
        if found.holder in {"", self._identity}:
            return True
        age = asyncio.get_running_loop().time() - self._seen_at
        return age > max(found.lease_seconds, self._timing.lease_seconds)

    def _patience(self) -> float:
        if not self._leads:
            return self._timing.renew_deadline_seconds
        # What keeps the loop waiting must not keep it from noticing the deadline.
        return self._timing.retry_seconds

    def _tell(self, *, leads: bool) -> None:
        if leads == self._leads:
            return
        self._leads = leads
        holder = self._record.holder if self._record else ""
        if leads:
            _logger.info("leads", holder=holder)
        else:
            _logger.info("stands by", holder=holder)
        self._on_change(leads)
