"""Where crews come from: files of this machine, or the operator's stream."""

import asyncio
from typing import Protocol

__all__ = ["RevisionSource"]


class RevisionSource(Protocol):
    """Keeps a registry of crews in step with what somebody writes elsewhere."""

    async def load(self) -> None:
        """Put a first set in force, or leave none and say why in the registry."""

    async def follow(self, stop: asyncio.Event) -> None:
        """Put every further set in force, until told to stop."""
