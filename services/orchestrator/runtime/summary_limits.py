"""When turns are folded, how many of them, and how long that may take."""

from typing import Final

__all__ = [
    "KEPT",
    "MANY_CHARACTERS",
    "MANY_MESSAGES",
    "MOST_CALLS_AFTER",
    "MOST_CALLS_BEFORE",
    "SECONDS_AFTER",
    "SECONDS_BEFORE",
    "TIGHT",
]

MANY_MESSAGES: Final = 150
MANY_CHARACTERS: Final = 40_000
"""The gateway sends 200 messages or 60,000 characters at most: fold before that."""
TIGHT: Final = 0.75
"""Of the room for turns; beyond it some are folded after the reply."""
KEPT: Final = 0.3
"""Of the room for turns, what is left of them; so a fold serves many runs."""
MOST_CALLS_BEFORE: Final = 1
MOST_CALLS_AFTER: Final = 4
SECONDS_BEFORE: Final = 20.0
SECONDS_AFTER: Final = 60.0
