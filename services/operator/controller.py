"""What is done about one resource: look, decide, carry out.

Deciding is `reconcile` and `document_status`, which are pure. Carrying out follows the
order of the plan; what the API server answers is known at once, so that the next look
does not go by what a watch has not told yet.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from time import perf_counter
from typing import Final

import structlog
from pydantic import BaseModel

from libs.crewspec.compiled import CompiledCrew
from libs.crewspec.compiler import compile_revision
from libs.crewspec.documents import API_VERSION, DEFAULT_MODEL, Kind
from libs.crewspec.packages import packages_needed
from libs.crewspec.revision import InvalidRevisionError, read_revision
from libs.crewspec.status import CrewStatus, DocumentStatus
from services.operator.apply import Subject, Writer
from services.operator.documents import document_status
from services.operator.errors import (
    ApiConflictError,
    ApiError,
    NotLeadingError,
    ObjectGoneError,
)
from services.operator.fleet import PROBE_GRACE_SECONDS, Fleet
from services.operator.metrics import Metrics, Result
from services.operator.observed import Observed, RevisionObject, Settings
from services.operator.plan import Assignment, EventToTell, Plan
from services.operator.published import LiveDocument, Published, PublishedRevision
from services.operator.reconcile import pending_status, reconcile
from services.operator.stored_object import ObjectName, StoredObject
from services.operator.work_queue import WorkQueue
from services.operator.world import Change, SecretVersions, World

__all__ = ["LIVE_KINDS", "Controller"]

_logger = structlog.get_logger(__name__)
LIVE_KINDS: Final = (Kind.MODEL_PROVIDER, Kind.TOOL, Kind.GUARDRAIL_POLICY)
_USERS_COUNTED_AFTER_SECONDS: Final = 2.0
"""Crews that come or go together change the count of their documents once."""
_CONFLICT_SECONDS: Final = 0.1
_MOST_EVENTS: Final = 10_000


class Controller:
    """Keeps every resource's status, revisions and delivery as they should be."""

    def __init__(
        self,
        *,
        world: World,
        queue: WorkQueue[ObjectName],
        writer: Writer,
        published: Published,
        fleet: Fleet,
        secrets: SecretVersions,
        settings: Settings,
        metrics: Metrics,
    ) -> None:
        self._world = world
        self._queue = queue
        self._writer = writer
        self._published = published
        self._fleet = fleet
        self._secrets = secrets
        self._settings = settings
        self._metrics = metrics
        self._in_conflict: set[ObjectName] = set()
        self._events: asyncio.Queue[tuple[Subject, EventToTell]] = asyncio.Queue(
            _MOST_EVENTS
        )

    def publish_what_was_told(self) -> None:
        """Publish all live documents, and crews as their statuses say."""
        for kind in LIVE_KINDS:
            for key in self._world.keys(kind):
                self._publish_document(ObjectName(kind, key))
        for key in self._world.keys(Kind.CREW):
            crew = self._world.get(ObjectName(Kind.CREW, key))
            status = self._world.told(crew, CrewStatus) if crew else None
            if crew is None or status is None:
                continue
            kept = {each.digest for each in self._world.revisions_of(crew)}
            stable, candidate = status.stable_digest, status.candidate_digest
            if (stable or candidate) and {stable, candidate} - {""} <= kept:
                weight = status.canary_weight
                self._publish(crew, Assignment(key, stable, candidate, weight))

    def heed(self, change: Change) -> None:
        """Publish what is effective at once, and queue what must be looked at."""
        if change.document and change.document.kind in LIVE_KINDS:
            self._publish_document(change.document)
        for name in change.concerned:
            if name.kind is Kind.CREW or name == change.document:
                self._queue.add(name)
            else:
                self._queue.add_after(name, _USERS_COUNTED_AFTER_SECONDS)

    async def tell_events(self) -> None:
        """Tell events in their order for ever, beside what matters more.

        One that the API server does not take is lost: the status says the same.
        """
        while True:
            subject, event = await self._events.get()
            try:
                await self._writer.tell_event(subject, event)
            except ApiError as error:
                _logger.warning("event not told", detail=error.detail)

    async def work(self) -> None:
        """Take resources from the queue for ever, or until this replica must not."""
        while True:
            name = await self._queue.take()
            try:
                await self._look_at(name)
            except NotLeadingError:
                return
            finally:
                self._queue.done(name)
                self._metrics.queue_depth.set(len(self._queue))

    async def _look_at(self, name: ObjectName) -> None:
        began = perf_counter()
        result = await self._attempt(name)
        took = perf_counter() - began
        kind = name.kind.value
        self._metrics.reconcile_seconds.labels(kind).observe(took)
        self._metrics.reconciles.labels(kind, result.value).inc()
        # Other resources, and orchestrators, have their turn.
        await asyncio.sleep(0)

    async def _attempt(self, name: ObjectName) -> Result:
        look = self._look_at_crew if name.kind is Kind.CREW else self._look_at_document
        try:
            has_written = await look(name)
        except ApiConflictError as error:
            _logger.info("changed meanwhile", name=name.key, detail=error.detail)
            await self._read_anew(name)
            return Result.CONFLICT
        except ObjectGoneError:
            # The watch, or the next listing, tells the same.
            self._queue.retry(name)
            return Result.CONFLICT
        except NotLeadingError:
            raise
        except ApiError as error:
            delay = self._queue.retry(name)
            _logger.warning(
                "not carried out",
                kind=name.kind.value,
                name=name.key,
                detail=error.detail,
                again_in_seconds=round(delay, 1),
            )
            return Result.FAILED
        except Exception:
            _logger.exception("look failed", kind=name.kind.value, name=name.key)
            self._queue.retry(name)
            return Result.FAILED
        self._queue.succeeded(name)
        self._in_conflict.discard(name)
        return Result.CHANGED if has_written else Result.UNCHANGED

    async def _look_at_crew(self, name: ObjectName) -> bool:
        crew = self._world.get(name)
        if crew is None:
            self._published.withdraw(name.key)
            self._fleet.withdrawn(name.key)
            self._metrics.put_conditions(name.key, ())
            return False
        if self._world.told(crew, CrewStatus) is None:
            pending = pending_status(crew.generation, datetime.now(UTC))
            crew = await self._write_status(crew, pending)
        observed = self._world.observe(
            crew, fleet=self._fleet.view(name.key), secrets=self._secrets
        )
        plan = reconcile(observed, self._settings)
        has_written = await self._carry_out(crew, observed, plan)
        conditions = plan.status.conditions
        self._metrics.put_conditions(
            name.key, ((each.type.value, each.status.value) for each in conditions)
        )
        return has_written

    async def _look_at_document(self, name: ObjectName) -> bool:
        document = self._world.get(name)
        if document is None:
            return False
        observed = self._world.observe_document(document, secrets=self._secrets)
        status = document_status(observed, self._settings)
        if status == self._world.told(document, DocumentStatus):
            return False
        await self._write_status(document, status)
        return True

    async def _carry_out(
        self, crew: StoredObject, observed: Observed, plan: Plan
    ) -> bool:
        for revision in plan.create:
            body = await self._writer.create_revision(crew, revision)
            self._world.put_revision(body, is_own=True)
        self._assign(crew, plan.assignment)
        is_other = plan.status != observed.crew.status
        if is_other:
            crew = await self._write_status(crew, plan.status)
        if plan.clear_annotations:
            cleared = await self._writer.clear_annotations(crew, plan.clear_annotations)
            self.heed(self._world.put(Kind.CREW, cleared, is_own=True))
        for event in plan.events:
            self._tell(crew, event)
        for probe in plan.probes:
            self._fleet.start_probe(crew.name.key, probe)
            overdue = probe.timeout_seconds + PROBE_GRACE_SECONDS + 1
            self._queue.add_after(crew.name, overdue)
        for revision_name in plan.delete:
            await self._writer.delete_revision(crew, revision_name)
            self._world.forget_revision(crew.name.key, revision_name)
        if plan.again_in_seconds is not None:
            self._queue.add_after(crew.name, max(plan.again_in_seconds, 0))
        return is_other or bool(plan.create or plan.delete or plan.clear_annotations)

    def _tell(self, crew: StoredObject, event: EventToTell) -> None:
        try:
            self._events.put_nowait((_subject(crew), event))
        except asyncio.QueueFull:
            _logger.warning("event dropped", crew=crew.name.key, reason=event.reason)

    def _assign(self, crew: StoredObject, assignment: Assignment | None) -> None:
        if assignment is None:
            self._published.withdraw(crew.name.key)
            self._fleet.withdrawn(crew.name.key)
        else:
            self._publish(crew, assignment)

    def _publish(self, crew: StoredObject, assignment: Assignment) -> None:
        self._fleet.assigned(assignment)
        if assignment == self._published.assignment(assignment.crew):
            return
        named = {assignment.stable_digest, assignment.candidate_digest}
        revisions = [
            self._published_revision(crew, each)
            for each in self._world.revisions_of(crew)
            if each.digest in named
        ]
        self._published.assign(assignment, revisions)

    def _published_revision(
        self, crew: StoredObject, kept: RevisionObject
    ) -> PublishedRevision:
        needed: Mapping[str, str] = {}
        named: frozenset[ObjectName] = frozenset()
        try:
            revision = read_revision(kept.content, kept.digest)
            needed = packages_needed(revision, self._settings.packages)
            named = _documents_of(
                compile_revision(crew.name.key, revision, home=self._settings.home)
            )
        except InvalidRevisionError as error:
            # Whoever is to run it refuses it, and the crew's status says so.
            _logger.warning("revision not understood", name=kept.name, error=str(error))
        return PublishedRevision(kept.digest, kept.content, needed, named)

    def _publish_document(self, name: ObjectName) -> None:
        document = self._world.get(name)
        if document is None:
            self._published.withdraw_document(name)
            return
        self._published.put_document(
            LiveDocument(name, document.generation, document.spec)
        )

    async def _write_status(
        self, document: StoredObject, status: BaseModel
    ) -> StoredObject:
        body = await self._writer.write_status(document, status)
        self.heed(self._world.put(document.name.kind, body, is_own=True))
        written = self._world.get(document.name)
        if written is None or written.uid != document.uid:
            raise ObjectGoneError(f"{document.name.key} is gone")
        if str(written.version) == body["metadata"]["resourceVersion"]:
            self._world.intend(written, status)
        return written

    async def _read_anew(self, name: ObjectName) -> None:
        known = self._world.get(name)
        if known is None:
            return
        if name in self._in_conflict:
            self._queue.retry(name)
        try:
            body = await self._writer.read(known)
        except ApiError:
            self._queue.retry(name)
            return
        self.heed(self._world.put(name.kind, body))
        if name not in self._in_conflict:
            self._in_conflict.add(name)
            self._queue.add_after(name, _CONFLICT_SECONDS)


def _documents_of(crew: CompiledCrew) -> frozenset[ObjectName]:
    """Return the live documents that a crew and its agents name."""
    agents = crew.agents.values()
    models = {agent.model for agent in agents} - {DEFAULT_MODEL}
    tools = {tool for agent in agents for tool in agent.tools}
    named = (
        (Kind.MODEL_PROVIDER, models),
        (Kind.TOOL, tools),
        (Kind.GUARDRAIL_POLICY, crew.policies),
    )
    return frozenset(ObjectName(kind, key) for kind, keys in named for key in keys)


def _subject(crew: StoredObject) -> Subject:
    return Subject(
        api_version=API_VERSION,
        kind=crew.name.kind.value,
        namespace=crew.namespace,
        name=crew.bare_name,
        uid=crew.uid,
    )
