"""The identity of a revision: the same content has the same digest everywhere."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import rfc8785

from libs.crewspec.documents import AgentSpec, CrewSpec

__all__ = ["revision_digest"]

_FORMAT: Final = 1
"""Raised only when the meaning of what is already written changes."""


def revision_digest(crew: CrewSpec, agents: Mapping[str, AgentSpec]) -> str:
    """Return `sha256:<hex>` of a crew and the agents of its tasks.

    It covers all prompt text and the names of models, tools and policies.
    Fields at their default are left out, so a new field with a default changes
    no digest that was ever recorded.
    """
    content: dict[str, Any] = {
        "format": _FORMAT,
        "crew": _content(crew) | _sorted_triggers(crew),
        "agents": {name: _content(agent) for name, agent in agents.items()},
    }
    return "sha256:" + hashlib.sha256(rfc8785.dumps(content)).hexdigest()


def _content(spec: CrewSpec | AgentSpec) -> dict[str, Any]:
    return spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _sorted_triggers(crew: CrewSpec) -> dict[str, Any]:
    # A set in all but name: the order in which triggers are written means nothing.
    return {"triggers": sorted(crew.triggers)} if crew.triggers else {}
