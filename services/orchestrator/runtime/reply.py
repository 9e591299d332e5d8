r"""What of a streamed reply is shown, and the short replies offered after it.

A task with suggestions asks the model to end with a marker line and 2 to 4 short
lines. The marker and what follows are never shown; text is held back only while
it may still turn out to be the marker or the white space before it.
"""

import json
import re
import unicodedata

from services.orchestrator.engine import Suggestion

__all__ = ["MARKER", "SUGGESTION_REQUEST", "ReplySplitter", "parse_suggestions"]

MARKER = "[[suggestions]]"

SUGGESTION_REQUEST = f"""
After your reply write, on a line of its own, {MARKER} and below it 2 to 4 short \
replies the founder might want to send next: one per line, at most eight words \
each, in the founder's voice, without numbers or bullets. Write nothing after them.\
"""

MAX_SUGGESTIONS = 4
MIN_SUGGESTIONS = 2
MAX_LABEL_CHARACTERS = 80
MAX_TEXT_CHARACTERS = 500
MAX_COLLECTED_CHARACTERS = 4_000
MIN_CUT_MARKER = 3

_DECORATION = re.compile(r"^(?:[-*•\u2013>#]+|\(?\d{1,2}[.)])\s*")
_QUOTES = "\"'`*_“”\u2018\u2019«»"


class ReplySplitter:
    """Splits one streamed reply; any cutting of the stream gives the same result."""

    def __init__(self, *, suggestions: bool) -> None:
        self._looks_for_marker = suggestions
        self._held = ""
        self._has_text = False
        self._after_marker: list[str] | None = None
        self._collected = 0

    def feed(self, piece: str) -> str:
        """Take the next piece; returns what may be shown now, perhaps nothing."""
        if self._after_marker is not None:
            self._collect(piece)
            return ""
        text = self._held + piece if self._held else piece
        if not self._has_text:
            text = text.lstrip()
            if not text:
                return ""
        if self._looks_for_marker and "[" in text:
            return self._show_before_marker(text)
        return self._show(text, len(text))

    def finish(self) -> tuple[str, tuple[Suggestion, ...]]:
        """End the stream: the text still held back, and the suggestions."""
        tail = "" if self._after_marker is not None else self._held.rstrip()
        if len(tail.lstrip()) >= MIN_CUT_MARKER and self._looks_for_marker:
            tail = ""  # a marker the model was cut off in
        self._held = ""
        return tail, parse_suggestions("".join(self._after_marker or ()))

    def _show_before_marker(self, text: str) -> str:
        folded = _fold(text)
        found = folded.find(MARKER)
        if found >= 0:
            self._held = ""
            self._after_marker = []
            self._collect(text[found + len(MARKER) :])
            shown = text[:found].rstrip()
            self._has_text = self._has_text or bool(shown)
            return shown
        start = max(0, len(text) - len(MARKER) + 1)
        cut = folded.find("[", start)
        while cut >= 0 and not MARKER.startswith(folded[cut:]):
            cut = folded.find("[", cut + 1)
        return self._show(text, cut if cut >= 0 else len(text))

    def _show(self, text: str, end: int) -> str:
        shown = text[:end].rstrip()
        self._held = text[len(shown) :]
        self._has_text = self._has_text or bool(shown)
        return shown

    def _collect(self, piece: str) -> None:
        if self._after_marker is None or self._collected >= MAX_COLLECTED_CHARACTERS:
            return
        piece = piece[: MAX_COLLECTED_CHARACTERS - self._collected]
        self._collected += len(piece)
        self._after_marker.append(piece)


def parse_suggestions(text: str) -> tuple[Suggestion, ...]:
    """2 to 4 clean replies out of what follows the marker, or none."""
    found: dict[str, Suggestion] = {}
    for line in _lines(text):
        reply = _clean(line)
        if any(character.isalnum() for character in reply):
            found.setdefault(
                reply.casefold(), Suggestion(label=_label(reply), text=reply)
            )
    suggestions = tuple(found.values())[:MAX_SUGGESTIONS]
    return suggestions if len(suggestions) >= MIN_SUGGESTIONS else ()


def _lines(text: str) -> list[str]:
    """Lines, or the strings of a JSON list: some models insist on one."""
    stripped = text.strip()
    if stripped.startswith("["):
        try:
            parsed = json.loads(stripped)
        except ValueError:
            return []
        return [item for item in parsed if isinstance(item, str)]
    return [line for line in stripped.splitlines() if not _is_rubbish(line)]


def _is_rubbish(line: str) -> bool:
    stripped = line.strip()
    return not stripped or stripped[0] in "{}[]<" or MARKER in _fold(stripped)


def _clean(line: str) -> str:
    visible = "".join(
        " " if unicodedata.category(character).startswith("C") else character
        for character in line
    )
    words = " ".join(visible.split())
    return _DECORATION.sub("", words).strip(_QUOTES).strip()[:MAX_TEXT_CHARACTERS]


def _label(reply: str) -> str:
    if len(reply) <= MAX_LABEL_CHARACTERS:
        return reply
    return reply[: MAX_LABEL_CHARACTERS - 1].rstrip() + "…"


_LOWER_ASCII = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def _fold(text: str) -> str:
    """Lower ASCII letters only: other letters may change the length."""
    return text.translate(_LOWER_ASCII)
