"""Text that reads like an order to the model, found by kind.

A founder may quote such text for good reasons, so it is counted rather than
blocked; the patterns are few, bounded, and in the languages founders write.
"""

import re
from typing import Final

__all__ = ["find_injections"]

_GAP: Final = r"[\s,]{1,3}"
_WORD: Final = r"(?:[^\W\d_]{1,12}[\s,]{1,3}){0,4}"
_MARKERS: Final = {
    "override": re.compile(
        rf"\b(?:ignore|disregard|forget|override|bypass){_GAP}{_WORD}"
        r"(?:previous|prior|above|earlier|preceding|system|your|all)"
        rf"{_GAP}{_WORD}(?:instructions?|prompts?|rules|guidelines|directions)\b"
        rf"|\b(?:ignorier|vergiss|missacht|umgeh)[a-z]{{0,4}}{_GAP}{_WORD}"
        rf"(?:alle|deine|vorherige|bisherige|obige|vorige)[a-z]{{0,2}}{_GAP}{_WORD}"
        r"(?:anweisung|instruktion|regel|vorgabe)",
        re.IGNORECASE,
    ),
    "reveal": re.compile(
        rf"\b(?:reveal|print|show|repeat|output|recite|leak|display){_GAP}{_WORD}"
        r"(?:system[\s-]?prompt|(?:hidden|initial|secret|original)\s(?:prompt"
        r"|instructions))"
        rf"|\b(?:zeig|nenn|wiederhol|verrat)[a-z]{{0,4}}{_GAP}{_WORD}"
        r"(?:system[\s-]?prompt|anweisungen)",
        re.IGNORECASE,
    ),
    "role": re.compile(
        r"<\|(?:im_start|im_end|system|endoftext)\|>|\[/?INST\]|<</?SYS>>"
        r"|</?(?:system|assistant)>|^\s{0,3}#{0,4}\s{0,3}(?:system|assistant):",
        re.IGNORECASE | re.MULTILINE,
    ),
    "persona": re.compile(
        r"\byou are now (?:in )?(?:dan\b|developer mode|jailbroken|unrestricted)"
        r"|\b(?:enable|enter) developer mode\b",
        re.IGNORECASE,
    ),
}
# No marker without one of its words, which are found a hundred times faster.
_WORDS: Final = {
    "override": (
        *("instruction", "prompt", "rules", "guideline", "direction"),
        *("anweisung", "instruktion", "regel", "vorgabe"),
    ),
    "reveal": ("prompt", "instructions", "anweisungen"),
    "role": ("<|", "inst]", "sys", "assistant"),
    "persona": ("you are now", "developer mode"),
}


def find_injections(text: str) -> tuple[str, ...]:
    """Name the kinds of orders the text seems to hold."""
    lowered = text.lower()
    return tuple(
        name
        for name, marker in _MARKERS.items()
        if any(word in lowered for word in _WORDS[name]) and marker.search(text)
    )
