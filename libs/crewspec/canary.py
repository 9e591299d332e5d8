"""Which sessions get a candidate: the same ones for as long as its share grows."""

import hashlib
from typing import Final

__all__ = ["is_for_candidate"]

_PARTS: Final = 10_000


def is_for_candidate(session_id: str, crew: str, weight: int) -> bool:
    """Tell whether a session is among the `weight` percent that get the candidate.

    The place of a session is a hash of its id and the crew's name: the same in every
    process, and a session of one crew's canary is not of every other's.
    """
    hashed = hashlib.sha256(f"{crew}\0{session_id}".encode()).digest()
    return int.from_bytes(hashed[:8]) % _PARTS < weight * (_PARTS // 100)
