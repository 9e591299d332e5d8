"""A revision: what a crew says and does, under a name made of the content itself.

The digest is the SHA-256 of the content, which is RFC 8785 JSON: whoever has the
content can check it, and the same documents have the same digest everywhere.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import rfc8785
from pydantic import ValidationError

from libs.crewspec.documents import AgentSpec, CrewSpec

__all__ = [
    "InvalidRevisionError",
    "Revision",
    "digest_of",
    "read_revision",
    "revision_content",
    "revision_digest",
]

_FORMAT: Final = 1
"""Raised only when the meaning of what is already written changes."""
_HOW_IT_IS_ROLLED_OUT: Final = {"rollout", "paused", "revision_history_limit"}
_WHO_MAY_USE_IT: Final = {"allowed_namespaces"}


class InvalidRevisionError(ValueError):
    """A revision's content does not fit its digest, or is none."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A crew and the agents of its tasks, by the references that name them."""

    crew: CrewSpec
    agents: Mapping[str, AgentSpec]


def revision_content(crew: CrewSpec, agents: Mapping[str, AgentSpec]) -> bytes:
    """Return the canonical content of a crew and the agents of its tasks.

    It holds all prompt text and the names of models, tools and policies. Fields at
    their default are left out, so a new field with a default changes no digest that
    was ever recorded; so is all that only says how a crew is rolled out.
    """
    content: dict[str, Any] = {
        "format": _FORMAT,
        "crew": _content(crew, _HOW_IT_IS_ROLLED_OUT) | _sorted_triggers(crew),
        "agents": {
            name: _content(agent, _WHO_MAY_USE_IT) for name, agent in agents.items()
        },
    }
    return rfc8785.dumps(content)


def digest_of(content: bytes) -> str:
    """Return `sha256:<hex>` of a revision's content."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def revision_digest(crew: CrewSpec, agents: Mapping[str, AgentSpec]) -> str:
    """Return the digest of a crew and the agents of its tasks."""
    return digest_of(revision_content(crew, agents))


def read_revision(content: str, digest: str) -> Revision:
    """Read a revision's content; raises InvalidRevisionError."""
    if digest_of(content.encode()) != digest:
        raise InvalidRevisionError(f"the content is not that of {digest}")
    try:
        read = json.loads(content)
        if read["format"] != _FORMAT:
            raise InvalidRevisionError(f"format {read['format']!r} is not known here")
        return Revision(
            crew=CrewSpec.model_validate(read["crew"]),
            agents={
                name: AgentSpec.model_validate(agent)
                for name, agent in read["agents"].items()
            },
        )
    except (ValidationError, KeyError, TypeError, AttributeError) as error:
        raise InvalidRevisionError(f"this is no revision: {error}") from error


def _content(spec: CrewSpec | AgentSpec, left_out: set[str]) -> dict[str, Any]:
    return spec.model_dump(
        mode="json", by_alias=True, exclude_defaults=True, exclude=left_out
    )


def _sorted_triggers(crew: CrewSpec) -> dict[str, Any]:
    # A set in all but name: the order in which triggers are written means nothing.
    return {"triggers": sorted(crew.triggers)} if crew.triggers else {}
