"""What the operator told, as plain values: nothing here reads, dials or compiles.

Updates change it: the first one of a stream is whole, those that follow tell what is
new. Whatever way led there, the same crews and documents are the same value.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, override

from services.orchestrator.errors import CrewStreamBrokenError

__all__ = [
    "Answer",
    "Assignment",
    "DocumentKey",
    "Refusal",
    "RevisionKey",
    "Told",
    "ToldDocument",
    "ToldRevision",
    "Update",
    "UpdateParts",
]

type DocumentKey = tuple[str, str]
"""Kind and name."""
type RevisionKey = tuple[str, str]
"""Crew and digest."""

_SPARE_REVISIONS: Final = 200
"""Revisions no crew is served by: one that comes back is not told again."""
_MAX_CHARACTERS: Final = 256 * 1024 * 1024
"""Of one update, all parts together."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """Which revisions of a crew are served to whom; an empty digest is none.

    `candidate_weight` is in percent of the sessions, 0 to 100.
    """

    crew: str
    stable_digest: str = ""
    candidate_digest: str = ""
    candidate_weight: int = 0

    @property
    def digests(self) -> tuple[str, ...]:
        """The revisions it names."""
        return tuple(filter(None, (self.stable_digest, self.candidate_digest)))


@dataclass(frozen=True, slots=True)
class ToldRevision:
    """A crew and its agents as canonical JSON, and the packages it needs."""

    crew: str
    digest: str
    content: str
    packages: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> RevisionKey:
        """What it is found by."""
        return self.crew, self.digest


@dataclass(frozen=True, slots=True)
class ToldDocument:
    """A model, tool or policy; its spec is JSON."""

    kind: str
    name: str
    generation: int
    spec: str

    @property
    def key(self) -> DocumentKey:
        """What it is found by."""
        return self.kind, self.name


@dataclass(frozen=True, slots=True)
class Update:
    """What is new, or all there is when it is whole.

    What it both removes and tells is there. `home` is the namespace whose documents
    go by their bare names.
    """

    nonce: int = 0
    is_last: bool = True
    is_whole: bool = False
    home: str = ""
    assignments: tuple[Assignment, ...] = ()
    removed_crews: tuple[str, ...] = ()
    revisions: tuple[ToldRevision, ...] = ()
    documents: tuple[ToldDocument, ...] = ()
    removed_documents: tuple[DocumentKey, ...] = ()

    @property
    def characters(self) -> int:
        """How much text it holds."""
        contents = sum(len(revision.content) for revision in self.revisions)
        return contents + sum(len(document.spec) for document in self.documents)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something that was told is not in force.

    It is a revision, by crew and digest, or a `document`, by "Kind/name".
    """

    detail: str
    crew: str = ""
    digest: str = ""
    document: str = ""

    @override
    def __str__(self) -> str:
        """Say it in one line."""
        what = self.document or f"Crew/{self.crew} {self.digest}"
        return f"{what}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of all that was told up to an update; without refusals all of it."""

    nonce: int
    refusals: tuple[Refusal, ...] = ()


class UpdateParts:
    """Joins the parts of updates."""

    def __init__(self) -> None:
        self._parts: list[Update] = []
        self._characters = 0

    def take(self, part: Update) -> Update | None:
        """Take the next part; returns the update that it completes, if it does.

        Raises CrewStreamBrokenError when it belongs to no update.
        """
        first = self._parts[0] if self._parts else part
        if (part.nonce, part.is_whole) != (first.nonce, first.is_whole):
            raise CrewStreamBrokenError(f"update {first.nonce} has not ended")
        self._characters += part.characters
        if self._characters > _MAX_CHARACTERS:
            raise CrewStreamBrokenError(f"update {first.nonce} is too large")
        self._parts.append(part)
        if not part.is_last:
            return None
        parts, self._parts, self._characters = self._parts, [], 0
        return part if len(parts) == 1 else _joined(parts)


def _joined(parts: list[Update]) -> Update:
    last = parts[-1]
    return Update(
        nonce=last.nonce,
        is_whole=last.is_whole,
        home=last.home,
        assignments=tuple(one for part in parts for one in part.assignments),
        removed_crews=tuple(one for part in parts for one in part.removed_crews),
        revisions=tuple(one for part in parts for one in part.revisions),
        documents=tuple(one for part in parts for one in part.documents),
        removed_documents=tuple(
            one for part in parts for one in part.removed_documents
        ),
    )


@dataclass(frozen=True, slots=True)
class Told:
    """Everything that is to be served, by crew, revision and document."""

    home: str = ""
    assignments: Mapping[str, Assignment] = field(default_factory=dict)
    revisions: Mapping[RevisionKey, ToldRevision] = field(default_factory=dict)
    documents: Mapping[DocumentKey, ToldDocument] = field(default_factory=dict)
    spare: Mapping[RevisionKey, ToldRevision] = field(
        default_factory=dict, compare=False
    )
    """Revisions that were told and serve no crew now, the newest last; bounded."""

    def after(self, update: Update) -> "Told":
        """Return what is told once an update is taken in."""
        before = Told() if update.is_whole else self
        assignments = dict(before.assignments)
        for crew in update.removed_crews:
            assignments.pop(crew, None)
        assignments |= {told.crew: told for told in update.assignments}
        documents = dict(before.documents)
        for key in update.removed_documents:
            documents.pop(key, None)
        documents |= {told.key: told for told in update.documents}
        known = {**before.spare, **before.revisions}
        known |= {told.key: told for told in update.revisions}
        wanted = _wanted(assignments.values())
        return Told(
            home=update.home,
            assignments=assignments,
            revisions={key: known[key] for key in wanted if key in known},
            documents=documents,
            spare=_newest({key: known[key] for key in known if key not in wanted}),
        )

    @property
    def untold(self) -> frozenset[RevisionKey]:
        """Revisions that are to be served and whose content is not known."""
        wanted = _wanted(self.assignments.values())
        return frozenset(key for key in wanted if key not in self.revisions)


def _wanted(assignments: Iterable[Assignment]) -> dict[RevisionKey, None]:
    return {
        (told.crew, digest): None for told in assignments for digest in told.digests
    }


def _newest(
    spare: dict[RevisionKey, ToldRevision],
) -> Mapping[RevisionKey, ToldRevision]:
    return dict(list(spare.items())[-_SPARE_REVISIONS:])
