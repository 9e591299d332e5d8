"""What orchestrators are to serve, and what each stream has not been told yet.

A change waits on every stream as a name; what is told is how things stand when the
stream is ready for it. A reader that is slow is told less, never too late.
"""

import asyncio
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace

from services.operator.plan import Assignment
from services.operator.stored_object import ObjectName

__all__ = ["LiveDocument", "News", "Published", "PublishedRevision", "Subscription"]


@dataclass(frozen=True, slots=True)
class PublishedRevision:
    """A revision as orchestrators get it.

    `packages` are the manifests it needs, `documents` the live documents it names.
    """

    digest: str
    content: str
    packages: Mapping[str, str]
    documents: frozenset[ObjectName] = frozenset()


@dataclass(frozen=True, slots=True)
class LiveDocument:
    """A model, tool or policy; `spec` is JSON."""

    name: ObjectName
    generation: int
    spec: str


@dataclass(slots=True)
class News:
    """What one stream is told next; revisions are by crew."""

    is_whole: bool = False
    assignments: list[Assignment] = field(default_factory=list)
    removed_crews: list[str] = field(default_factory=list)
    revisions: list[tuple[str, PublishedRevision]] = field(default_factory=list)
    documents: list[LiveDocument] = field(default_factory=list)
    removed_documents: list[ObjectName] = field(default_factory=list)

    def digests(self) -> dict[str, frozenset[str]]:
        """Return which digests of which crews are in force once this is."""
        told = {each.crew: _digests(each) for each in self.assignments}
        return told | dict.fromkeys(self.removed_crews, frozenset[str]())


class Subscription:
    """What one stream has been told, and what it has not."""

    def __init__(self, published: "Published") -> None:
        self._published = published
        self._crews: dict[str, None] = {}
        self._documents: dict[ObjectName, None] = {}
        self._told: dict[str, frozenset[str]] = {}
        self._is_first = True
        self._news = asyncio.Event()
        self._news.set()

    def crew_changed(self, crew: str) -> None:
        """Note that a crew is served otherwise, or is gone."""
        self._crews[crew] = None
        self._news.set()

    def document_changed(self, name: ObjectName) -> None:
        """Note that a document is another, or is gone."""
        self._documents[name] = None
        self._news.set()

    async def next(self) -> News:
        """Wait for something to tell; first of all that is everything."""
        await self._news.wait()
        self._news.clear()
        if self._is_first:
            self._crews = dict.fromkeys(self._published.crews())
            self._documents = dict.fromkeys(self._published.document_names())
        news = News(is_whole=self._is_first)
        self._is_first = False
        for crew in self._crews:
            self._tell_crew(news, crew)
        for name in self._documents:
            if document := self._published.document(name):
                news.documents.append(document)
            else:
                news.removed_documents.append(name)
        self._crews, self._documents = {}, {}
        return news

    def _tell_crew(self, news: News, crew: str) -> None:
        assignment = self._published.assignment(crew)
        told = self._told.pop(crew, frozenset())
        if assignment is None:
            news.removed_crews.append(crew)
            return
        digests = _digests(assignment)
        news.assignments.append(assignment)
        news.revisions += [
            (crew, self._published.revision(crew, digest))
            for digest in sorted(digests - told)
        ]
        self._told[crew] = digests


class Published:
    """The assignments in force with their revisions, and all live documents.

    A document that is deleted stays as it was for as long as a revision that is
    served names it: what serves goes on, on orchestrators that start later too.
    """

    def __init__(self) -> None:
        self._assignments: dict[str, Assignment] = {}
        self._revisions: dict[str, dict[str, PublishedRevision]] = {}
        self._documents: dict[ObjectName, LiveDocument] = {}
        self._deleted: set[ObjectName] = set()
        self._subscriptions: set[Subscription] = set()
        self.stable_changed = asyncio.Event()
        """Set when what restarts begin with has changed."""

    def assign(
        self, assignment: Assignment, revisions: Iterable[PublishedRevision]
    ) -> bool:
        """Serve a crew as told; return whether it was served otherwise.

        `revisions` has those that the assignment names, as far as they are not
        known already. A revision whose content nobody has any more, because somebody
        deleted it, is left out: the newest one takes its place in time.
        """
        crew = assignment.crew
        before = self._assignments.get(crew)
        if before == assignment:
            return False
        known = self._revisions.get(crew, {})
        known |= {revision.digest: revision for revision in revisions}
        assignment = _as_far_as(assignment, known)
        digests = _digests(assignment)
        self._revisions[crew] = {digest: known[digest] for digest in digests}
        self._assignments[crew] = assignment
        if before is None or before.stable_digest != assignment.stable_digest:
            self.stable_changed.set()
        for subscription in self._subscriptions:
            subscription.crew_changed(crew)
        self._forget_deleted()
        return True

    def withdraw(self, crew: str) -> bool:
        """Serve a crew no longer; return whether it was served."""
        if self._assignments.pop(crew, None) is None:
            return False
        self._revisions.pop(crew, None)
        self.stable_changed.set()
        for subscription in self._subscriptions:
            subscription.crew_changed(crew)
        self._forget_deleted()
        return True

    def put_document(self, document: LiveDocument) -> None:
        """Let a document be effective as it is now."""
        self._deleted.discard(document.name)
        if self._documents.get(document.name) == document:
            return
        self._documents[document.name] = document
        self._tell_document(document.name)

    def withdraw_document(self, name: ObjectName) -> None:
        """Let a document be gone, once no revision that is served names it."""
        if name in self._documents:
            self._deleted.add(name)
            self._forget_deleted()

    def subscribe(self) -> Subscription:
        """Open a subscription; it begins with everything."""
        subscription = Subscription(self)
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Tell a subscription nothing any more."""
        self._subscriptions.discard(subscription)

    def stable(self) -> News:
        """Return all that a process needs to begin with, without candidates."""
        news = News(is_whole=True)
        for crew in sorted(self._assignments):
            digest = self._assignments[crew].stable_digest
            if digest:
                news.assignments.append(Assignment(crew, digest, "", 0))
                news.revisions.append((crew, self._revisions[crew][digest]))
        names = sorted(self._documents, key=lambda each: (each.kind, each.key))
        news.documents += [self._documents[name] for name in names]
        return news

    def crews(self) -> Iterable[str]:
        """Return the crews that are served."""
        return self._assignments

    def document_names(self) -> Iterable[ObjectName]:
        """Return the live documents."""
        return self._documents

    def assignment(self, crew: str) -> Assignment | None:
        """Return how a crew is served, None when it is not."""
        return self._assignments.get(crew)

    def revision(self, crew: str, digest: str) -> PublishedRevision:
        """Return a revision that the crew's assignment names."""
        return self._revisions[crew][digest]

    def document(self, name: ObjectName) -> LiveDocument | None:
        """Return a live document, None when it is gone."""
        return self._documents.get(name)

    def clear(self) -> None:
        """Forget everything: another replica leads."""
        self._assignments.clear()
        self._revisions.clear()
        self._documents.clear()
        self._deleted.clear()
        self.stable_changed.clear()

    def _forget_deleted(self) -> None:
        if not self._deleted:
            return
        served = (each for known in self._revisions.values() for each in known.values())
        named = {name for revision in served for name in revision.documents}
        for name in self._deleted - named:
            self._deleted.discard(name)
            del self._documents[name]
            self._tell_document(name)

    def _tell_document(self, name: ObjectName) -> None:
        self.stable_changed.set()
        for subscription in self._subscriptions:
            subscription.document_changed(name)


def _digests(assignment: Assignment) -> frozenset[str]:
    return frozenset({assignment.stable_digest, assignment.candidate_digest} - {""})


def _as_far_as(assignment: Assignment, known: Container[str]) -> Assignment:
    """Leave out digests without content."""
    if assignment.candidate_digest not in known:
        assignment = replace(assignment, candidate_digest="", candidate_weight=0)
    if assignment.stable_digest not in known:
        assignment = replace(assignment, stable_digest="")
    return assignment
