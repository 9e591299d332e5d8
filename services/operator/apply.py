"""Every write to the cluster but the Lease: made by the leader alone, by apply.

Statuses carry the resourceVersion they were decided on: a replica that knows less
than another wrote is refused by the API server.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from lightkube import AsyncClient
from lightkube.types import PatchType
from pydantic import BaseModel

from libs.crewspec.documents import API_VERSION, Kind
from services.operator.errors import ApiConflictError, ObjectGoneError
from services.operator.kubernetes import (
    CONFIG_MAP,
    CREW_REVISION,
    DOCUMENTS,
    EVENT,
    FIELD_MANAGER,
    Body,
    micro_time,
    send,
)
from services.operator.lease import Leadership
from services.operator.metrics import Metrics
from services.operator.plan import EventToTell, RevisionToCreate
from services.operator.stored_object import StoredObject

__all__ = ["BOOTSTRAP_KEY", "Subject", "Writer"]

BOOTSTRAP_KEY: Final = "update.json"
_MOST_EVENTS: Final = 1_000
_REPEATED_WITHIN_SECONDS: Final = 3_600
_LONGEST_NOTE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Subject:
    """What an event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


@dataclass(slots=True)
class _Told:
    name: str
    first_at: datetime
    last_at: datetime
    count: int = 1


class Writer:
    """Writes for the leader; every method raises NotLeadingError or ApiError."""

    def __init__(
        self,
        *,
        client: AsyncClient,
        leadership: Leadership,
        metrics: Metrics,
        identity: str,
    ) -> None:
        self._client = client
        self._leadership = leadership
        self._metrics = metrics
        self._identity = identity
        self._told: OrderedDict[tuple[str, ...], _Told] = OrderedDict()

    async def read(self, document: StoredObject) -> Body:
        """Read a document as it is now; raises ObjectGoneError."""
        name = document.name
        body: Body = await send(
            lambda: self._client.get(
                DOCUMENTS[name.kind], document.bare_name, namespace=document.namespace
            ),
            about=f"{name.kind} {name.key}",
        )
        return body

    async def write_status(self, document: StoredObject, status: BaseModel) -> Body:
        """Apply a document's whole status and return the object as it is now.

        Raises ApiConflictError when the document is another by now.
        """
        kind = document.name.kind
        body = DOCUMENTS[kind].Status.from_dict(
            {
                "apiVersion": API_VERSION,
                "kind": kind.value,
                "metadata": {
                    "name": document.bare_name,
                    "namespace": document.namespace,
                    "resourceVersion": str(document.version),
                },
                "status": status.model_dump(
                    mode="json", by_alias=True, exclude_none=True
                ),
            }
        )
        return await self._write(
            f"{kind}Status",
            lambda: self._client.apply(
                body, document.bare_name, namespace=document.namespace, force=True
            ),
            about=f"status of {kind} {document.name.key}",
        )

    async def create_revision(
        self, crew: StoredObject, revision: RevisionToCreate
    ) -> Body:
        """Create a CrewRevision that the crew owns and return it.

        One of that name with that content, made before an answer was lost, will do;
        raises ApiConflictError when it has another content or owner.
        """
        body = CREW_REVISION.from_dict(
            {
                "apiVersion": API_VERSION,
                "kind": "CrewRevision",
                "metadata": {
                    "name": revision.name,
                    "namespace": crew.namespace,
                    "labels": {"crew.venturebots.dev/crew": crew.bare_name},
                    "ownerReferences": [_owner(crew)],
                },
                "spec": revision.spec.model_dump(mode="json", by_alias=True),
            }
        )
        about = f"CrewRevision {crew.namespace}/{revision.name}"
        try:
            return await self._write(
                "CrewRevision", lambda: self._client.create(body), about=about
            )
        except ApiConflictError:
            found: Body = await send(
                lambda: self._client.get(
                    CREW_REVISION, revision.name, namespace=crew.namespace
                ),
                about=about,
            )
            if not _is_same(found, crew, revision):
                raise
            return found

    async def delete_revision(self, crew: StoredObject, name: str) -> None:
        """Delete a CrewRevision, if it is there."""
        try:
            await self._write(
                "CrewRevision",
                lambda: self._client.delete(
                    CREW_REVISION, name, namespace=crew.namespace
                ),
                about=f"CrewRevision {crew.namespace}/{name}",
            )
        except ObjectGoneError:
            return

    async def clear_annotations(self, crew: StoredObject, names: Sequence[str]) -> Body:
        """Take annotations away and return the crew as it is now.

        Raises ApiConflictError when the crew is another by now: what was asked
        anew in the meantime is not taken away unheard.
        """
        patch = {
            "metadata": {
                "resourceVersion": str(crew.version),
                "annotations": dict.fromkeys(names),
            }
        }
        return await self._write(
            "Crew",
            lambda: self._client.patch(
                DOCUMENTS[Kind.CREW],
                crew.bare_name,
                patch,
                namespace=crew.namespace,
                patch_type=PatchType.MERGE,
            ),
            about=f"annotations of Crew {crew.name.key}",
        )

    async def tell_event(self, subject: Subject, event: EventToTell) -> None:
        """Tell of a transition; one that was told within the hour is counted."""
        now = datetime.now(UTC)
        key = (subject.uid, event.type.value, event.reason, event.message)
        told = self._told.get(key)
        if told and (now - told.last_at).total_seconds() < _REPEATED_WITHIN_SECONDS:
            told.count, told.last_at = told.count + 1, now
        else:
            digest = hashlib.sha256("\0".join((*key, str(now))).encode()).hexdigest()
            told = _Told(f"{subject.name}.{digest[:16]}", first_at=now, last_at=now)
        self._told[key] = told
        self._told.move_to_end(key)
        if len(self._told) > _MOST_EVENTS:
            self._told.popitem(last=False)
        await self._write(
            "Event",
            lambda: self._client.apply(
                EVENT.from_dict(self._event(subject, event, told)), force=True
            ),
            about=f"event {event.reason} of {subject.kind} {subject.name}",
        )

    async def read_bootstrap(self, name: str, namespace: str) -> str | None:
        """Return what the bootstrap ConfigMap holds, None when there is none."""
        try:
            found: Body = await send(
                lambda: self._client.get(CONFIG_MAP, name, namespace=namespace),
                about=f"ConfigMap {namespace}/{name}",
            )
        except ObjectGoneError:
            return None
        text: str | None = (found.get("data") or {}).get(BOOTSTRAP_KEY)
        return text

    async def write_bootstrap(self, name: str, namespace: str, text: str) -> None:
        """Apply the bootstrap ConfigMap."""
        body = CONFIG_MAP.from_dict(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": name, "namespace": namespace},
                "data": {BOOTSTRAP_KEY: text},
            }
        )
        await self._write(
            "ConfigMap",
            lambda: self._client.apply(body, name, namespace=namespace, force=True),
            about=f"ConfigMap {namespace}/{name}",
        )

    async def _write[T](
        self, kind: str, request: Callable[[], Awaitable[T]], *, about: str
    ) -> T:
        async with self._leadership.writing():
            self._metrics.api_writes.labels(kind).inc()
            return await send(request, about=about)

    def _event(self, subject: Subject, event: EventToTell, told: _Told) -> Body:
        body: Body = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": told.name, "namespace": subject.namespace},
            "type": event.type.value,
            "reason": event.reason,
            "note": event.message[:_LONGEST_NOTE],
            "action": "Reconcile",
            "eventTime": micro_time(told.first_at),
            "reportingController": FIELD_MANAGER,
            "reportingInstance": self._identity,
            "regarding": {
                "apiVersion": subject.api_version,
                "kind": subject.kind,
                "namespace": subject.namespace,
                "name": subject.name,
                "uid": subject.uid,
            },
        }
        if told.count > 1:
            body["series"] = {
                "count": told.count,
                "lastObservedTime": micro_time(told.last_at),
            }
        return body


def _owner(crew: StoredObject) -> Body:
    return {
        "apiVersion": API_VERSION,
        "kind": crew.name.kind.value,
        "name": crew.bare_name,
        "uid": crew.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _is_same(found: Body, crew: StoredObject, revision: RevisionToCreate) -> bool:
    owners = found["metadata"].get("ownerReferences") or ()
    is_ours = any(owner["uid"] == crew.uid for owner in owners)
    return is_ours and found["spec"]["content"] == revision.spec.content
