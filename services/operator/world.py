"""What is known of the cluster: every document and revision, and who names whom.

Watches, listings and answers to own writes all come in here; what is older than what
is known already changes nothing. Every question is answered from an index.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from pydantic import BaseModel, ValidationError

from libs.crewspec.documents import Kind
from libs.crewspec.names import key_of
from libs.crewspec.status import CrewStatus, DocumentStatus
from services.operator.observed import (
    CrewObject,
    FleetView,
    Observed,
    ObservedDocument,
    RevisionObject,
)
from services.operator.stored_object import ObjectName, StoredObject, stored

__all__ = ["NO_CHANGE", "Change", "SecretVersions", "World"]

_logger = structlog.get_logger(__name__)
_MOST_GONE: Final = 10_000

type SecretVersions = Mapping[tuple[str, str, str], str | None]
"""The resourceVersion by (namespace, Secret, key); None where there is no such key."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a piece of news is about.

    `concerned` are the documents to be looked at anew; `document` is the one whose
    spec is another, or that is gone.
    """

    concerned: frozenset[ObjectName] = frozenset()
    document: ObjectName | None = None


NO_CHANGE = Change()


@dataclass(slots=True)
class _Revisions:
    """The revisions of one crew by name, with the uid of the crew that owns each."""

    by_name: dict[str, tuple[str, int, RevisionObject]] = field(default_factory=dict)


class World:
    """All documents by kind and key, with the indexes that answer from them."""

    def __init__(self, *, home: str) -> None:
        self.home = home
        self._objects: dict[ObjectName, StoredObject] = {}
        self._named_by: defaultdict[ObjectName, set[ObjectName]] = defaultdict(set)
        self._triggers: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._secrets: defaultdict[tuple[str, str], set[ObjectName]] = defaultdict(set)
        self._keys: defaultdict[Kind, set[str]] = defaultdict(set)
        self._revisions: defaultdict[str, _Revisions] = defaultdict(_Revisions)
        self._intended: dict[ObjectName, tuple[str, BaseModel]] = {}
        self._gone: dict[str, int] = {}

    def get(self, name: ObjectName) -> StoredObject | None:
        """Return a document."""
        return self._objects.get(name)

    def keys(self, kind: Kind) -> frozenset[str]:
        """Return the keys of all documents of a kind."""
        return frozenset(self._keys[kind])

    def put(
        self, kind: Kind, body: Mapping[str, Any], *, is_own: bool = False
    ) -> Change:
        """Take in an object as the API server has it.

        `is_own` says that it is the answer to a write of this process, which need
        not be looked at again for what it wrote.
        """
        if body["metadata"].get("deletionTimestamp"):
            return self.remove(kind, body)
        new = stored(kind, body, home=self.home)
        old = self._objects.get(new.name)
        if old is not None and new.version <= old.version:
            return NO_CHANGE
        if self._gone.get(new.uid, -1) >= new.version:
            return NO_CHANGE
        self._replace(old, new)
        return self._change(old, new, is_own=is_own)

    def remove(self, kind: Kind, body: Mapping[str, Any]) -> Change:
        """Take in that an object is gone, or about to be."""
        metadata = body["metadata"]
        name = ObjectName(
            kind, key_of(metadata["name"], metadata["namespace"], self.home)
        )
        old = self._objects.get(name)
        if old is None or old.uid != metadata["uid"]:
            return NO_CHANGE
        self._note_gone(old.uid, int(metadata["resourceVersion"]))
        self._replace(old, None)
        return self._change(old, None, is_own=False)

    def forget_missing(
        self, kind: Kind, present: set[str], *, listed_at: int
    ) -> list[Change]:
        """Drop the documents that a complete listing did not have.

        `present` are the keys it had; what was written after it, `listed_at`, stays.
        """
        changes = []
        for key in self._keys[kind] - present:
            old = self._objects[ObjectName(kind, key)]
            if old.version <= listed_at:
                self._note_gone(old.uid, listed_at)
                self._replace(old, None)
                changes.append(self._change(old, None, is_own=False))
        return changes

    def put_revision(self, body: Mapping[str, Any], *, is_own: bool = False) -> Change:
        """Take in a CrewRevision."""
        metadata, spec = body["metadata"], body["spec"]
        if metadata.get("deletionTimestamp"):
            return self.remove_revision(body)
        crew = key_of(spec["crew"], metadata["namespace"], self.home)
        known = self._revisions[crew].by_name
        version = int(metadata["resourceVersion"])
        owner = _owner_uid(metadata)
        if metadata["name"] in known and known[metadata["name"]][1] >= version:
            return NO_CHANGE
        if self._gone.get(metadata["uid"], -1) >= version:
            return NO_CHANGE
        revision = RevisionObject(
            name=metadata["name"],
            digest=spec["digest"],
            content=spec["content"],
            created_at=datetime.fromisoformat(metadata["creationTimestamp"]),
        )
        known[metadata["name"]] = (owner, version, revision)
        return NO_CHANGE if is_own else Change(self._crew(crew))

    def remove_revision(self, body: Mapping[str, Any]) -> Change:
        """Take in that a CrewRevision is gone."""
        metadata = body["metadata"]
        crew = key_of(body["spec"]["crew"], metadata["namespace"], self.home)
        self._note_gone(metadata["uid"], int(metadata["resourceVersion"]))
        if self._revisions[crew].by_name.pop(metadata["name"], None) is None:
            return NO_CHANGE
        return Change(self._crew(crew))

    def forget_revision(self, crew: str, name: str) -> None:
        """Take in that this process deleted a CrewRevision."""
        self._revisions[crew].by_name.pop(name, None)

    def forget_missing_revisions(
        self, present: set[tuple[str, str]], *, listed_at: int
    ) -> list[Change]:
        """Drop the revisions, (crew's key, name), that a listing did not have."""
        changes = []
        for crew, revisions in self._revisions.items():
            missing = [
                name
                for name, (_, version, _) in revisions.by_name.items()
                if version <= listed_at and (crew, name) not in present
            ]
            for name in missing:
                del revisions.by_name[name]
                changes.append(Change(self._crew(crew)))
        return changes

    def intend(self, document: StoredObject, status: BaseModel) -> None:
        """Note what was meant by the status that a document has now.

        The API server may keep it otherwise than it was sent; comparing with what was
        meant never writes the same twice.
        """
        self._intended[document.name] = (document.status, status)

    def told[S: BaseModel](self, document: StoredObject, model: type[S]) -> S | None:
        """Return what was told of a document; None when nothing was, or nonsense."""
        if not document.status:
            return None
        kept, status = self._intended.get(document.name, ("", None))
        if isinstance(status, model) and kept == document.status:
            return status
        try:
            return model.model_validate_json(document.status)
        except ValidationError as error:
            _logger.warning(
                "status not understood", document=document.name.key, error=str(error)
            )
            return None

    def revisions_of(self, crew: StoredObject) -> tuple[RevisionObject, ...]:
        """Return the revisions that a crew owns, oldest first."""
        owned = (
            revision
            for owner, _, revision in self._revisions[crew.name.key].by_name.values()
            if owner == crew.uid
        )
        return tuple(sorted(owned, key=lambda each: (each.created_at, each.name)))

    def closure(self, name: ObjectName) -> Iterator[StoredObject]:
        """Yield the documents that one names, directly or not, as far as they are."""
        waiting, seen = [name], {name}
        while waiting:
            current = self._objects.get(waiting.pop())
            if current is None:
                continue
            if current.name != name:
                yield current
            fresh = sorted(current.names - seen, key=lambda each: each.key)
            seen.update(fresh)
            waiting += fresh

    def crews_of(self, name: ObjectName) -> frozenset[ObjectName]:
        """Return the crews that name a document, directly or by way of agents."""
        if name.kind is Kind.CREW:
            return frozenset({name})
        found: set[ObjectName] = set()
        for dependent in self._named_by.get(name, ()):
            found |= self.crews_of(dependent)
        return frozenset(found)

    def users_of_secret(self, secret: str, key: str) -> frozenset[ObjectName]:
        """Return the models that name a Secret's key, and the crews that use them."""
        models = self._secrets.get((secret, key), set())
        crews = (self.crews_of(model) for model in models)
        return frozenset(models).union(*crews)

    def taken_triggers(self, crew: StoredObject) -> dict[str, str]:
        """Return which of a crew's triggers an older one of its namespace answers."""
        taken = {}
        for trigger in crew.triggers:
            keys = self._triggers[crew.namespace, trigger]
            rivals = [self._objects[ObjectName(Kind.CREW, key)] for key in keys]
            oldest = min(rivals, key=lambda each: each.age)
            if oldest.name != crew.name:
                taken[trigger] = oldest.name.key
        return taken

    def observe(
        self, crew: StoredObject, *, fleet: FleetView, secrets: SecretVersions
    ) -> Observed:
        """Put together all that a decision about a crew may rest on."""
        documents = tuple(self.closure(crew.name))
        return Observed(
            crew=CrewObject(
                key=crew.name.key,
                name=crew.bare_name,
                namespace=crew.namespace,
                uid=crew.uid,
                generation=crew.generation,
                annotations=crew.annotations,
                manifest=crew.manifest,
                status=self.told(crew, CrewStatus),
            ),
            documents=tuple(document.manifest for document in documents),
            taken_triggers=self.taken_triggers(crew),
            revisions=self.revisions_of(crew),
            secrets=_secrets_of(documents, secrets),
            fleet=fleet,
            now=datetime.now(UTC),
        )

    def observe_document(
        self, document: StoredObject, *, secrets: SecretVersions
    ) -> ObservedDocument:
        """Put together all that the status of a document may rest on."""
        documents = tuple(self.closure(document.name))
        return ObservedDocument(
            manifest=document.manifest,
            documents=tuple(each.manifest for each in documents),
            used_by=len(self.crews_of(document.name)),
            secrets=_secrets_of((document, *documents), secrets),
            status=self.told(document, DocumentStatus),
            now=datetime.now(UTC),
        )

    def _replace(self, old: StoredObject | None, new: StoredObject | None) -> None:
        if old is not None:
            self._unindex(old)
        if new is not None:
            self._index(new)
        elif old is not None:
            self._intended.pop(old.name, None)

    def _index(self, new: StoredObject) -> None:
        self._objects[new.name] = new
        self._keys[new.name.kind].add(new.name.key)
        for named in new.names:
            self._named_by[named].add(new.name)
        for trigger in new.triggers:
            self._triggers[new.namespace, trigger].add(new.name.key)
        for secret in new.secrets:
            self._secrets[secret].add(new.name)

    def _unindex(self, old: StoredObject) -> None:
        del self._objects[old.name]
        self._keys[old.name.kind].discard(old.name.key)
        for named in old.names:
            _discard(self._named_by, named, old.name)
        for trigger in old.triggers:
            _discard(self._triggers, (old.namespace, trigger), old.name.key)
        for secret in old.secrets:
            _discard(self._secrets, secret, old.name)

    def _change(
        self, old: StoredObject | None, new: StoredObject | None, *, is_own: bool
    ) -> Change:
        current = new or old
        assert current is not None  # noqa: S101 - one of them is given
        if old is not None and new is not None and not _is_other(old, new):
            is_told_by_another = old.status != new.status and not is_own
            return Change(frozenset({new.name})) if is_told_by_another else NO_CHANGE
        concerned = {current.name, *self.crews_of(current.name)}
        for each in filter(None, (old, new)):
            concerned |= self._named_deeply(each.names)
            concerned |= self._rivals(each)
        return Change(frozenset(concerned), document=current.name)

    def _named_deeply(self, names: Iterable[ObjectName]) -> set[ObjectName]:
        """Return documents with what they name: how many crews use them changes."""
        found = set(names)
        for name in names:
            if named := self._objects.get(name):
                found |= named.names
        return found

    def _rivals(self, crew: StoredObject) -> set[ObjectName]:
        return {
            ObjectName(Kind.CREW, key)
            for trigger in crew.triggers
            for key in self._triggers.get((crew.namespace, trigger), ())
        }

    def _crew(self, key: str) -> frozenset[ObjectName]:
        return frozenset({ObjectName(Kind.CREW, key)})

    def _note_gone(self, uid: str, version: int) -> None:
        # News of an object may overtake each other; it must not come back to life.
        self._gone[uid] = version
        if len(self._gone) > _MOST_GONE:
            del self._gone[next(iter(self._gone))]


def _is_other(old: StoredObject, new: StoredObject) -> bool:
    return (
        old.uid != new.uid
        or old.generation != new.generation
        or old.spec != new.spec
        or old.annotations != new.annotations
    )


def _secrets_of(
    documents: Iterable[StoredObject], secrets: SecretVersions
) -> dict[tuple[str, str, str], str | None]:
    named = {pair for document in documents for pair in document.secrets}
    return {place: version for place, version in secrets.items() if place[1:] in named}


def _owner_uid(metadata: Mapping[str, Any]) -> str:
    owners = metadata.get("ownerReferences") or ()
    return next((owner["uid"] for owner in owners if owner.get("controller")), "")


def _discard[K, V](index: dict[K, set[V]], key: K, value: V) -> None:
    values = index.get(key)
    if values is not None:
        values.discard(value)
        if not values:
            del index[key]
