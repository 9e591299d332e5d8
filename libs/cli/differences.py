"""What differs between two sets of documents: digests, and fields one by one."""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from libs.crewspec.compiler import revision_of
from libs.crewspec.loader import DocumentSet
from libs.crewspec.resources import as_resources
from libs.crewspec.revision import revision_digest

__all__ = ["CrewDifference", "Difference", "FieldDifference", "difference_of"]


@dataclass(frozen=True, slots=True)
class CrewDifference:
    """A crew whose digest is another; empty where there is no such crew."""

    crew: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """A field of a document that is another; None where it is not given."""

    document: str
    field: str
    old: str | None
    new: str | None

    def lines(self) -> Iterator[str]:
        """Write it as a unified diff of the field's text."""
        name = f"{self.document} {self.field}"
        yield from difflib.unified_diff(
            (self.old or "").splitlines(),
            (self.new or "").splitlines(),
            fromfile=name if self.old is not None else "/dev/null",
            tofile=name if self.new is not None else "/dev/null",
            lineterm="",
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """All that differs; crews are listed though only a prompt of an agent changed."""

    crews: tuple[CrewDifference, ...]
    fields: tuple[FieldDifference, ...]


def difference_of(old: DocumentSet, new: DocumentSet) -> Difference:
    """Compare two valid sets."""
    before, after = _digests(old), _digests(new)
    crews = sorted({*before.items()} ^ {*after.items()})
    return Difference(
        crews=tuple(
            CrewDifference(name, before.get(name, ""), after.get(name, ""))
            for name in dict.fromkeys(name for name, _ in crews)
        ),
        fields=tuple(_fields(_texts(old), _texts(new))),
    )


def _digests(documents: DocumentSet) -> dict[str, str]:
    revisions = {name: revision_of(name, documents) for name in documents.crews}
    return {
        name: revision_digest(revision.crew, revision.agents)
        for name, revision in revisions.items()
    }


def _fields(
    old: Mapping[tuple[str, str], str], new: Mapping[tuple[str, str], str]
) -> Iterator[FieldDifference]:
    for place in dict.fromkeys([*old, *new]):
        before, after = old.get(place), new.get(place)
        if before != after:
            document, field = place
            yield FieldDifference(document, field, before, after)


def _texts(documents: DocumentSet) -> dict[tuple[str, str], str]:
    return {
        (f"{one['kind']}/{one['metadata']['name']}", field): text
        for one in as_resources(documents)
        for field, text in _leaves(one["spec"], "spec")
    }


def _leaves(held: object, place: str) -> Iterator[tuple[str, str]]:
    match held:
        case dict():
            for name, value in held.items():
                yield from _leaves(value, f"{place}.{name}")
        case list() if any(isinstance(one, dict) for one in held):
            # A task that moves is the same one; only the order is another.
            names = [str(one.get("name", at)) for at, one in enumerate(held)]
            yield f"{place}[]", "\n".join(names)
            for name, one in zip(names, held, strict=True):
                yield from _leaves(one, f"{place}[{name}]")
        case str():
            yield place, held
        case _:
            yield place, json.dumps(held, ensure_ascii=False)
