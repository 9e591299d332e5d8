"""What an operator would tell of documents, made by the schema's own means."""

from dataclasses import replace

from libs.crewspec.compiler import revision_of
from libs.crewspec.documents import Kind
from libs.crewspec.loader import DocumentSet, load_texts
from libs.crewspec.packages import Packages, packages_needed
from libs.crewspec.revision import digest_of, revision_content
from services.orchestrator.crews.told import (
    Assignment,
    ToldDocument,
    ToldRevision,
    Update,
)
from services.orchestrator.tests.crews import DOCUMENTS
from venturebots.crew.v1 import crew_discovery_pb2 as pb

__all__ = [
    "candidate_of",
    "digest_in",
    "revisions_of",
    "split",
    "to_wire",
    "told_documents",
    "update_from",
    "update_of",
]


def told_documents(text: str, *, generation: int = 1) -> tuple[ToldDocument, ...]:
    """Give the live documents of a text."""
    return _live(_loaded(text), generation)


def revisions_of(text: str) -> dict[str, ToldRevision]:
    """Give a revision of each crew of a text, which needs no package."""
    return _revisions(_loaded(text), {})


def update_of(
    text: str = DOCUMENTS, *, nonce: int = 1, packages: Packages | None = None
) -> Update:
    """Tell all documents of a text at once, every crew trusted."""
    return update_from(_loaded(text), nonce=nonce, packages=packages)


def update_from(
    documents: DocumentSet, *, nonce: int = 1, packages: Packages | None = None
) -> Update:
    """Tell all documents at once, every crew trusted, with the packages it needs."""
    revisions = _revisions(documents, packages or {})
    return Update(
        nonce=nonce,
        is_whole=True,
        assignments=tuple(
            Assignment(crew=crew, stable_digest=told.digest)
            for crew, told in revisions.items()
        ),
        revisions=tuple(revisions.values()),
        documents=_live(documents, 1),
    )


def _loaded(text: str) -> DocumentSet:
    documents = load_texts({"crews.yaml": text})
    if documents.diagnostics:
        raise ValueError("; ".join(map(str, documents.diagnostics)))
    return documents


def _live(documents: DocumentSet, generation: int) -> tuple[ToldDocument, ...]:
    return tuple(
        ToldDocument(
            kind=kind.value,
            name=name,
            generation=generation,
            spec=document.spec.model_dump_json(by_alias=True, exclude_unset=True),
        )
        for kind in (Kind.MODEL_PROVIDER, Kind.TOOL, Kind.GUARDRAIL_POLICY)
        for name, document in documents.of_kind(kind).items()
    )


def _revisions(documents: DocumentSet, packages: Packages) -> dict[str, ToldRevision]:
    told: dict[str, ToldRevision] = {}
    for crew in documents.crews:
        revision = revision_of(crew, documents)
        content = revision_content(revision.crew, revision.agents)
        told[crew] = ToldRevision(
            crew=crew,
            digest=digest_of(content),
            content=content.decode(),
            packages=packages_needed(revision, packages) if packages else {},
        )
    return told


def digest_in(text: str, crew: str = "coaching") -> str:
    """Name the revision of a crew that a text makes."""
    return revisions_of(text)[crew].digest


def candidate_of(
    text: str, *, nonce: int, weight: int, crew: str = "coaching", stable: str | None
) -> Update:
    """Tell a candidate of a crew; `stable` is the trusted digest, None for none."""
    revision = revisions_of(text)[crew]
    assignment = Assignment(
        crew=crew,
        stable_digest=stable or "",
        candidate_digest=revision.digest,
        candidate_weight=weight,
    )
    return Update(nonce=nonce, assignments=(assignment,), revisions=(revision,))


def to_wire(update: Update) -> pb.Update:
    """Write an update as the operator does."""
    removed = [
        pb.DocumentName(kind=kind, name=name) for kind, name in update.removed_documents
    ]
    return pb.Update(
        nonce=update.nonce,
        is_last=update.is_last,
        is_whole=update.is_whole,
        home=update.home,
        assignments=[
            pb.Assignment(
                crew=told.crew,
                stable_digest=told.stable_digest,
                candidate_digest=told.candidate_digest,
                candidate_weight=told.candidate_weight,
            )
            for told in update.assignments
        ],
        removed_crews=update.removed_crews,
        revisions=[
            pb.Revision(
                crew=told.crew,
                digest=told.digest,
                content=told.content,
                packages=dict(told.packages),
            )
            for told in update.revisions
        ],
        documents=[
            pb.LiveDocument(
                kind=told.kind,
                name=told.name,
                generation=told.generation,
                spec=told.spec,
            )
            for told in update.documents
        ],
        removed_documents=removed,
    )


def split(update: Update) -> list[Update]:
    """Cut an update into parts of one entry each; the last one is empty."""
    bare = Update(nonce=update.nonce, is_whole=update.is_whole, is_last=False)
    parts = [replace(bare, home=update.home)]
    parts += [replace(bare, assignments=(told,)) for told in update.assignments]
    parts += [replace(bare, revisions=(told,)) for told in update.revisions]
    parts += [replace(bare, documents=(told,)) for told in update.documents]
    return [*parts, replace(bare, home=update.home, is_last=True)]
