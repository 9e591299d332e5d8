"""The CrewRevisions of a crew: their names, which is new, which are to go."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from libs.crewspec.revision import digest_of
from libs.crewspec.status import CrewRevisionSpec
from services.operator.compilation import NewestRevision
from services.operator.observed import RevisionObject
from services.operator.plan import RevisionToCreate

__all__ = ["KeptRevisions", "keep_newest", "revisions_to_delete"]

_SHOWN_DIGITS: Final = 10
_MAX_NAME: Final = 63
"""Names are values of labels too."""


@dataclass(frozen=True, slots=True)
class KeptRevisions:
    """Names by digest, with the revision that is still to be created.

    `collisions` tells how often the name of the newest was taken by other content.
    """

    names: dict[str, str]
    create: RevisionToCreate | None = None
    collisions: int = 0

    def digest_named(self, asked: str) -> str:
        """Return the digest meant by a digest or a revision's name, empty for none."""
        if asked in self.names:
            return asked
        named = [digest for digest, name in self.names.items() if name == asked]
        return named[0] if named else ""


def keep_newest(
    newest: NewestRevision | None, crew: str, revisions: Sequence[RevisionObject]
) -> KeptRevisions:
    """Find the newest revision among those that are kept, or say how to create it.

    A revision whose content does not fit its digest is none.
    """
    names = {revision.digest: revision.name for revision in _sound(revisions)}
    if newest is None or newest.digest in names:
        return KeptRevisions(names=names)
    taken = {revision.name for revision in revisions}
    collisions = 0
    while (name := _name(crew, newest.digest, collisions)) in taken:
        collisions += 1
    spec = CrewRevisionSpec(
        crew=crew,
        digest=newest.digest,
        content=newest.content,
        sources=newest.sources,
    )
    return KeptRevisions(
        names={**names, newest.digest: name},
        create=RevisionToCreate(name=name, spec=spec),
        collisions=collisions,
    )


def revisions_to_delete(
    revisions: Sequence[RevisionObject], *, needed: Iterable[str], limit: int
) -> tuple[str, ...]:
    """Name the oldest revisions beyond the limit; those that are needed never count."""
    kept = set(needed)
    old = [revision for revision in revisions if revision.digest not in kept]
    old.sort(key=lambda revision: (revision.created_at, revision.name))
    return tuple(revision.name for revision in old[: max(0, len(old) - limit)])


def _sound(revisions: Sequence[RevisionObject]) -> list[RevisionObject]:
    return [
        revision
        for revision in revisions
        if digest_of(revision.content.encode()) == revision.digest
    ]


def _name(crew: str, digest: str, collisions: int) -> str:
    suffix = f"-{digest.removeprefix('sha256:')[:_SHOWN_DIGITS]}"
    if collisions:
        suffix += f"-{collisions}"
    return crew[: _MAX_NAME - len(suffix)] + suffix
