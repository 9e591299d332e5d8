"""Characters that a model reads and nobody sees."""

import re
from typing import Final

__all__ = ["remove_hidden_text"]

# What writing needs stays: line ends and tabs, marks of direction, the soft hyphen,
# and joiners between the parts of an emoji or of a script that joins.
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]"  # control characters
    "|[\u202a-\u202e\u2066-\u2069]"  # order of display overridden
    "|[\u200b\u2060-\u2064\ufeff\u180e\u115f\u1160\u3164\uffa0]"  # no width at all
    "|(?<![\u0600-\u1fff\U0001f000-\U0001faff\u2600-\u27bf\ufe0f])[\u200c\u200d]"
    "|(?<![\U0001f3f4\U000e0000-\U000e007f])[\U000e0000-\U000e007f]++"  # text in tags
    "|(?<=\U0001f3f4)[\U000e0000-\U000e007f]{8,}+"  # more of it than a flag has
    "|[\U000e0100-\U000e01ef]{2,}|[\ufe00-\ufe0f]{2,}"  # bytes in variations
)
# Each of them, wherever it stands: one look at each character.
_SUSPECT: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u115f\u1160\u180e\u200b-\u200d"
    "\u202a-\u202e\u2060-\u2069\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e01ef]"
)


def remove_hidden_text(text: str) -> tuple[str, int]:
    """Take out what is read but not seen; also how many places that was."""
    if _SUSPECT.search(text) is None:
        return text, 0
    return _HIDDEN.subn("", text)
