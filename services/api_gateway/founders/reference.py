"""What other services, logs and traces call a founder."""

import uuid
from functools import lru_cache
from typing import Final

__all__ = ["founder_ref"]

_FOUNDER_REFS: Final = uuid.UUID("8f4a2a53-1a0b-4d3f-9f65-1c9a5c1d7c11")


@lru_cache(maxsize=4096)
def founder_ref(founder_id: str) -> str:
    """A stable name from which the id cannot be found: it opens nothing."""
    return str(uuid.uuid5(_FOUNDER_REFS, founder_id))
