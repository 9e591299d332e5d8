"""Replicas and one Lease: one leads, and nobody else writes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from typing import override

import pytest

from services.operator.errors import (
    ApiConflictError,
    ApiUnavailableError,
    NotLeadingError,
)
from services.operator.lease import (
    Election,
    Leadership,
    LeaseRecord,
    LeaseStore,
    Timing,
)

_TIMING = Timing(lease_seconds=1.5, renew_deadline_seconds=0.3, retry_seconds=0.05)


class _Store(LeaseStore):
    """A Lease in memory that refuses writes over what is not there any more."""

    def __init__(self) -> None:
        self.record: LeaseRecord | None = None
        self.is_away = False
        self._versions = count(1)

    @override
    async def read(self) -> LeaseRecord | None:
        self._answer()
        return self.record

    @override
    async def create(self, record: LeaseRecord) -> LeaseRecord:
        self._answer()
        if self.record is not None:
            raise ApiConflictError("there is one")
        return self._keep(record)

    @override
    async def replace(self, record: LeaseRecord) -> LeaseRecord:
        self._answer()
        if self.record is None or record.version != self.record.version:
            raise ApiConflictError("it is another")
        return self._keep(record)

    def _keep(self, record: LeaseRecord) -> LeaseRecord:
        self.record = replace(record, version=str(next(self._versions)))
        return self.record

    def _answer(self) -> None:
        if self.is_away:
            raise ApiUnavailableError("away")


class _Replica:
    def __init__(self, identity: str, store: _Store) -> None:
        self.identity = identity
        self.leadership = Leadership(_TIMING)
        self.changes: list[bool] = []
        self._changed = asyncio.Event()
        self.election = Election(
            identity=identity,
            store=store,
            leadership=self.leadership,
            timing=_TIMING,
            on_change=self._note,
        )

    def _note(self, leads: bool) -> None:  # noqa: FBT001 - the shape of a callback
        self.changes.append(leads)
        self._changed.set()

    async def until(self, *changes: bool) -> None:
        async with asyncio.timeout(20):
            while tuple(self.changes) != changes:
                self._changed.clear()
                await self._changed.wait()

    async def until_looked(self) -> None:
        async with asyncio.timeout(20):
            while not self.election.has_looked:
                await asyncio.sleep(_TIMING.retry_seconds)

    async def may_write(self) -> bool:
        try:
            async with self.leadership.writing():
                return True
        except NotLeadingError:
            return False


@asynccontextmanager
async def _running(*replicas: _Replica) -> AsyncGenerator[list[asyncio.Task[None]]]:
    tasks = [asyncio.create_task(each.election.run()) for each in replicas]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_of_two_leads() -> None:
    store = _Store()
    first, second = _Replica("first", store), _Replica("second", store)

    async with _running(first):
        await first.until(True)
        async with _running(second):
            await second.until_looked()
            assert await first.may_write()
            assert not await second.may_write()

    assert second.changes == []


async def test_another_leads_once_the_lease_of_the_dead_has_run_out() -> None:
    store = _Store()
    first, second = _Replica("first", store), _Replica("second", store)

    async with _running(first) as tasks:
        await first.until(True)
        async with _running(second):
            tasks[0].cancel()
            began = asyncio.get_running_loop().time()
            await second.until(True)
            waited = asyncio.get_running_loop().time() - began
            assert not await first.may_write()
            assert await second.may_write()

    assert _TIMING.renew_deadline_seconds < waited < 2 * _TIMING.lease_seconds
    assert store.record is not None
    assert store.record.transitions == 1


async def test_a_released_lease_is_taken_at_once() -> None:
    store = _Store()
    first, second = _Replica("first", store), _Replica("second", store)

    async with _running(first) as tasks:
        await first.until(True)
        async with _running(second):
            tasks[0].cancel()
            began = asyncio.get_running_loop().time()
            await first.election.release()
            assert not await first.may_write()
            await second.until(True)
            waited = asyncio.get_running_loop().time() - began

    assert first.changes == [True, False]
    assert waited < _TIMING.lease_seconds / 2


async def test_a_leader_without_an_api_server_steps_down_in_time() -> None:
    store = _Store()
    replica = _Replica("only", store)

    async with _running(replica):
        await replica.until(True)
        store.is_away = True
        began = asyncio.get_running_loop().time()
        await replica.until(True, False)
        waited = asyncio.get_running_loop().time() - began
        assert not await replica.may_write()
        store.is_away = False
        await replica.until(True, False, True)
        assert await replica.may_write()

    assert waited < _TIMING.lease_seconds
    assert store.record is not None
    assert store.record.holder == "only"


async def test_a_renewal_that_comes_too_late_is_a_new_term() -> None:
    store = _Store()
    replica = _Replica("only", store)

    async with _running(replica):
        await replica.until(True)
        # Longer than the deadline, shorter than anybody waits for an answer.
        replica.leadership.renewed(
            asyncio.get_running_loop().time() - _TIMING.renew_deadline_seconds
        )
        assert not await replica.may_write()
        await replica.until(True, False, True)
        assert await replica.may_write()


async def test_a_leader_whose_lease_somebody_took_steps_down() -> None:
    store = _Store()
    replica = _Replica("only", store)

    async with _running(replica):
        await replica.until(True)
        assert store.record is not None
        stolen = replace(store.record, holder="thief", version="another")
        store.record = stolen
        await replica.until(True, False)

    assert store.record == stolen


async def test_a_write_is_cut_short_when_the_lease_runs_out() -> None:
    leadership = Leadership(Timing(lease_seconds=1.1, renew_deadline_seconds=1))
    leadership.renewed(asyncio.get_running_loop().time())

    with pytest.raises(NotLeadingError):
        async with leadership.writing():
            await asyncio.sleep(30)


async def test_a_drain_waits_for_writes_and_lets_none_begin() -> None:
    leadership = Leadership(Timing())
    leadership.renewed(asyncio.get_running_loop().time())
    written = asyncio.Event()

    async def write() -> None:
        async with leadership.writing():
            await written.wait()

    writing = asyncio.create_task(write())
    await asyncio.sleep(0)
    draining = asyncio.create_task(leadership.drain(20))
    await asyncio.sleep(0)
    assert not draining.done()
    with pytest.raises(NotLeadingError):
        async with leadership.writing():
            pass
    written.set()
    await asyncio.gather(writing, draining)
