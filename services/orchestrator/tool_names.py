"""What models call a tool: its key in the letters they may use."""

import hashlib
import re
from typing import Final

__all__ = ["called_name"]

_MAX_CHARACTERS: Final = 64
_HASH_CHARACTERS: Final = 8
_OTHERS: Final = re.compile("[^a-z0-9]+")


def called_name(tool: str) -> str:
    """Return a tool's name in a-z, 0-9 and single underscores, 64 at most.

    CrewAI makes the same of it, and would else find no tool by the name it gave.
    """
    name = _OTHERS.sub("_", tool.lower()).strip("_")
    if len(name) <= _MAX_CHARACTERS:
        return name
    told_apart = hashlib.sha256(name.encode()).hexdigest()[:_HASH_CHARACTERS]
    kept = name[: _MAX_CHARACTERS - _HASH_CHARACTERS - 1].rstrip("_")
    return f"{kept}_{told_apart}"
