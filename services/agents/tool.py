"""What an agent package offers: a tool as a plain, typed function."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

__all__ = ["AgentTool"]


@dataclass(frozen=True, slots=True)
class AgentTool:
    """A function a model may call.

    `run` takes a validated instance of `arguments` and returns text for the
    model. It is called in a thread: it may block, up to the timeout of its Tool
    document, and must not keep state between calls.
    """

    name: str
    description: str
    arguments: type[BaseModel]
    run: Callable[[Any], str]
