"""What only the leader does, from taking the Lease to losing it."""

import asyncio
import random
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import structlog

from libs.crewspec.documents import Kind
from services.operator.bootstrap import Bootstrap
from services.operator.config import Config
from services.operator.controller import Controller
from services.operator.discovery import Discovery
from services.operator.errors import ApiError, NotLeadingError
from services.operator.fleet import Fleet
from services.operator.published import Published
from services.operator.stored_object import ObjectName
from services.operator.surroundings import Secrets
from services.operator.survey import Survey
from services.operator.work_queue import WorkQueue
from services.operator.world import Change, World

__all__ = ["Term"]

_logger = structlog.get_logger(__name__)
_RETRY_SECONDS: Final = 1.0
_SETTLE_LOOK_SECONDS: Final = 0.05
_STATS_SECONDS: Final = 1.0
_STATS_AT_ONCE: Final = 100
"""Crews looked at per second for their counts alone."""
_GONE_SECONDS: Final = 3.0
"""An orchestrator that only reconnects is back by then."""
_DESIRED_SECONDS: Final = 1.0
_RESYNC_SPREAD_SECONDS: Final = 60.0


class Term:
    """Starts and ends with leadership; outside of it all news only reach the world."""

    def __init__(
        self,
        *,
        config: Config,
        world: World,
        queue: WorkQueue[ObjectName],
        survey: Survey,
        secrets: Secrets,
        fleet: Fleet,
        published: Published,
        discovery: Discovery,
        controller: Controller,
        bootstrap: Bootstrap,
    ) -> None:
        self._config = config
        self._world = world
        self._queue = queue
        self._survey = survey
        self._secrets = secrets
        self._fleet = fleet
        self._published = published
        self._discovery = discovery
        self._controller = controller
        self._bootstrap = bootstrap
        self._counted: dict[str, None] = {}
        self._must_survey = asyncio.Event()
        self._is_known = False
        self._task: asyncio.Task[None] | None = None
        self._has_ended = asyncio.Event()
        self._has_ended.set()
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done with an error when a term fails: nothing would lead any more."""

    def begin(self) -> None:
        """Lead from now on."""
        self._task = asyncio.create_task(self._lead(), name="lead")
        self._task.add_done_callback(self._check)

    async def end(self) -> None:
        """Stop all that only the leader does, and forget what it knew."""
        self._has_ended.clear()
        self._discovery.close()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))
        self._is_known = False
        self._queue.clear()
        self._published.clear()
        self._fleet.clear()
        self._counted.clear()
        self._has_ended.set()

    def heed(self, change: Change) -> None:
        """Act on what changed, if this replica leads and knows everything."""
        if self._is_known:
            self._controller.heed(change)

    def survey(self) -> None:
        """List everything anew: something may be gone that nobody told of."""
        self._must_survey.set()

    def fleet_changed(self, crews: Iterable[str]) -> None:
        """Look at crews whose orchestrators said something else."""
        if self._is_known:
            for crew in crews:
                self._queue.add(ObjectName(Kind.CREW, crew))

    def counted(self, crew: str) -> None:
        """Look at a crew for its counts, not at once: they change all the time."""
        self._counted[crew] = None

    def orchestrator_gone(self, crews: Iterable[str]) -> None:
        """Look at the crews of an orchestrator that did not come back."""
        if self._is_known:
            for crew in crews:
                self._queue.add_after(ObjectName(Kind.CREW, crew), _GONE_SECONDS)

    def desired_changed(self) -> None:
        """Look at all crews: there are more or fewer orchestrators."""
        if self._is_known:
            for key in self._world.keys(Kind.CREW):
                self._queue.add_after(ObjectName(Kind.CREW, key), _DESIRED_SECONDS)

    async def flush(self, seconds: float) -> None:
        """Write what waits to be written, as far as a while and the Lease allow."""
        with suppress(TimeoutError, NotLeadingError):
            await asyncio.wait_for(self._bootstrap.flush(), seconds)

    def _check(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self.failure.done():
            return
        if error := task.exception():
            self.failure.set_exception(error)

    async def _lead(self) -> None:
        await self._has_ended.wait()
        await self._learn()
        self._controller.publish_what_was_told()
        self._bootstrap.recall()
        self._is_known = True
        self._discovery.open()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow_secrets(), name="follow Secrets")
                group.create_task(self._follow_counts(), name="follow counts")
                group.create_task(self._follow_surveys(), name="survey")
                group.create_task(self._resync(), name="resync")
                group.create_task(self._controller.tell_events(), name="events")
                group.create_task(self._bootstrap.run(), name="bootstrap")
                await self._settle()
                self._look_at_everything()
                for number in range(self._config.workers):
                    group.create_task(self._controller.work(), name=f"work {number}")
        except* NotLeadingError:
            _logger.info("no longer leads")

    async def _learn(self) -> None:
        """Know all that the last leader wrote before anything is decided."""
        while True:
            try:
                await self._survey.take()
                await self._bootstrap.learn()
            except ApiError as error:
                _logger.warning("not surveyed", detail=error.detail)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                break
        await self._secrets.poll()

    async def _settle(self) -> None:
        """Wait a while for the orchestrators of the last leader.

        Else every crew would be told to be served by nobody, and a second later
        otherwise.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self._config.settle_seconds):
                while not self._fleet.is_settled:  # noqa: ASYNC110 - many things settle it
                    await asyncio.sleep(_SETTLE_LOOK_SECONDS)

    def _look_at_everything(self, *, spread_seconds: float = 0) -> None:
        for kind in Kind:
            for key in self._world.keys(kind):
                delay = random.uniform(0, spread_seconds)  # noqa: S311 - no secret
                self._queue.add_after(ObjectName(kind, key), delay)

    async def _follow_secrets(self) -> None:
        while True:
            await asyncio.sleep(self._config.secrets_seconds)
            for secret, key in await self._secrets.poll():
                _logger.info("Secret changed", secret=secret, key=key)
                for name in self._world.users_of_secret(secret, key):
                    self._queue.add(name)

    async def _follow_counts(self) -> None:
        while True:
            await asyncio.sleep(_STATS_SECONDS)
            for crew in list(self._counted)[:_STATS_AT_ONCE]:
                del self._counted[crew]
                self._queue.add(ObjectName(Kind.CREW, crew))

    async def _follow_surveys(self) -> None:
        while True:
            await self._must_survey.wait()
            await asyncio.sleep(_RETRY_SECONDS)
            self._must_survey.clear()
            try:
                for change in await self._survey.take():
                    self.heed(change)
            except ApiError as error:
                _logger.warning("not surveyed", detail=error.detail)
                self._must_survey.set()

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(self._config.resync_seconds)
            self.survey()
            spread = min(_RESYNC_SPREAD_SECONDS, self._config.resync_seconds / 2)
            self._look_at_everything(spread_seconds=spread)
