"""Updates between the wire, files and what is told: one message for all three.

A file holds the JSON form of a whole update whose assignments name trusted revisions
alone. Orchestrators and the operator write it alike.
"""

from google.protobuf import json_format

from services.orchestrator.crews.in_force import InForce
from services.orchestrator.crews.told import (
    Assignment,
    ToldDocument,
    ToldRevision,
    Update,
)
from venturebots.crew.v1 import crew_discovery_pb2 as pb

__all__ = ["trusted_from_json", "trusted_to_json", "update_from_wire"]


def update_from_wire(update: pb.Update) -> Update:
    """Read one part of an update."""
    return Update(
        nonce=update.nonce,
        is_last=update.is_last,
        is_whole=update.is_whole,
        home=update.home,
        assignments=tuple(
            Assignment(
                crew=told.crew,
                stable_digest=told.stable_digest,
                candidate_digest=told.candidate_digest,
                candidate_weight=told.candidate_weight,
            )
            for told in update.assignments
        ),
        removed_crews=tuple(update.removed_crews),
        revisions=tuple(
            ToldRevision(
                crew=told.crew,
                digest=told.digest,
                content=told.content,
                packages=dict(told.packages),
            )
            for told in update.revisions
        ),
        documents=tuple(
            ToldDocument(
                kind=told.kind,
                name=told.name,
                generation=told.generation,
                spec=told.spec,
            )
            for told in update.documents
        ),
        removed_documents=tuple(
            (told.kind, told.name) for told in update.removed_documents
        ),
    )


def trusted_to_json(in_force: InForce) -> str:
    """Write what is served, without candidates."""
    whole = pb.Update(
        is_last=True,
        is_whole=True,
        home=in_force.home,
        assignments=[
            pb.Assignment(crew=crew, stable_digest=loaded.told.digest)
            for crew, loaded in sorted(in_force.stable.items())
        ],
        revisions=[
            pb.Revision(
                crew=loaded.told.crew,
                digest=loaded.told.digest,
                content=loaded.told.content,
                packages=dict(loaded.told.packages),
            )
            for _, loaded in sorted(in_force.stable.items())
        ],
        documents=[
            pb.LiveDocument(
                kind=loaded.told.kind,
                name=loaded.told.name,
                generation=loaded.told.generation,
                spec=loaded.told.spec,
            )
            for _, loaded in sorted(in_force.documents.items())
        ],
    )
    return json_format.MessageToJson(whole, sort_keys=True) + "\n"


def trusted_from_json(text: str) -> Update:
    """Read what a file holds; fields of later versions are passed over.

    Raises ValueError when it holds no whole update.
    """
    try:
        update = json_format.Parse(text, pb.Update(), ignore_unknown_fields=True)
    except (json_format.ParseError, RecursionError) as error:
        raise ValueError(f"this is no update: {error}") from error
    if not update.is_whole:
        raise ValueError("this update is not whole")
    return update_from_wire(update)
