"""What an agent package offers: a tool as a plain, typed function."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, override

from pydantic import BaseModel, ConfigDict

__all__ = ["AgentTool", "ToolArguments"]


class ToolArguments(BaseModel):
    """What a tool takes: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @override
    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The schema, generated once: every run of a crew asks for it."""
        kept = _SCHEMAS.setdefault(cls, {})
        key = repr((args, kwargs))
        if key not in kept:
            kept[key] = super().model_json_schema(*args, **kwargs)
        return copy.deepcopy(kept[key])


_SCHEMAS: dict[type[ToolArguments], dict[str, dict[str, Any]]] = {}


@dataclass(frozen=True, slots=True)
class AgentTool:
    """A function a model may call.

    `run` takes a validated instance of `arguments` and returns text for the
    model. It is called in a thread: it may block, up to the timeout of its Tool
    document, and must not keep state between calls.
    """

    name: str
    description: str
    arguments: type[ToolArguments]
    run: Callable[[Any], str]
