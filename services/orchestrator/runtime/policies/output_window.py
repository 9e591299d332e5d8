"""Streamed text, held back only while it may turn into something blocked.

A piece goes on at once unless its end could begin a denied phrase, a secret or
the mark in the system prompt; then that end waits, 200 characters at most, for
what follows. However a stream is cut, the same text goes out.
"""

import re
from typing import Final

from libs.crewspec.compiled import BlockedOutput, PolicyDocument
from services.orchestrator.errors import OutputBlockedError
from services.orchestrator.runtime.policies.secrets import (
    STARTS_OF_SECRETS,
    beginning_of_secret,
    find_secret,
)

__all__ = ["MAX_HELD_CHARACTERS", "OutputRules", "OutputWindow"]

MAX_HELD_CHARACTERS: Final = 200
"""Longer than any pattern that is looked for."""
_EDGES: Final = " \n.,!?;'\"*()"
"""What stands around a word without making it part of something blocked."""
_SPACES: Final = str.maketrans("\t\n\r\u00a0", "    ")
_START: Final = re.compile(r"(?<!\w)\w|[^\w\s]")
"""Where a phrase may begin: with a word, or with a sign wherever it stands."""
_START_CHARACTERS: Final = 3
"""How much of a word tells whether something blocked may begin with it."""


class OutputRules:
    """What one policy blocks; made once for each run, if it blocks anything.

    `mark` is the text in the system prompt that must never come out.
    """

    def __init__(self, policy: PolicyDocument, mark: str) -> None:
        blocked = policy.blocked_output
        phrases = [_folded(phrase) for phrase in policy.denied_phrases]
        if BlockedOutput.SYSTEM_PROMPT in blocked:
            phrases.append(_folded(mark))
        self.blocks_secrets = BlockedOutput.SECRETS in blocked
        self._phrases = re.compile("|".join(map(_whole, phrases))) if phrases else None
        self._beginnings = frozenset(
            phrase[:length]
            for phrase in phrases
            for length in range(1, len(phrase) + 1)
        )
        lengths = range(1, _START_CHARACTERS + 1)
        starts = {phrase[:length] for phrase in phrases for length in lengths}
        self._starts = frozenset(start for start in starts if start.isalpha())
        self._are_foreign = all(not phrase[0].isascii() for phrase in phrases)
        self._has_edges = any(phrase[0] in _EDGES for phrase in phrases)
        self._keys = STARTS_OF_SECRETS if self.blocks_secrets else frozenset[str]()

    @staticmethod
    def are_in(policy: PolicyDocument) -> bool:
        """Tell whether a policy blocks anything."""
        return bool(policy.blocked_output or policy.denied_phrases)

    def is_plain(self, piece: str) -> bool:
        """Tell quickly that a piece is a word with which nothing blocked begins."""
        word = piece.strip(_EDGES)
        if not word.isalpha():
            return bool(piece) and not word and not self._has_edges
        start = word[:_START_CHARACTERS]
        if start in self._keys:
            return False
        return not (self._starts and _folded(start) in self._starts)

    def blocks(self, text: str, *, start: int = 0, is_whole: bool = True) -> bool:
        """Tell whether the text from a place on holds something blocked.

        Unless it is whole, what could still be going on is not looked at.
        """
        if self.blocks_secrets and find_secret(text, start, is_whole=is_whole):
            return True
        if self._phrases is None or self._is_free(text):
            return False
        found = self._phrases.search(_folded(text), start)
        return found is not None and (is_whole or found.end() < len(text))

    def beginning(self, text: str, start: int) -> int:
        """Tell where, from a place on, the end of the text may begin something."""
        first = len(text)
        if self.blocks_secrets:
            first = beginning_of_secret(text, start)
        if self._is_free(text):
            return first
        folded = _folded(text)
        for match in _START.finditer(folded, start, first):
            if folded[match.start() :] in self._beginnings:
                return match.start()
        return first

    def _is_free(self, text: str) -> bool:
        """Tell quickly that no phrase can begin in a text."""
        return self._are_foreign and text.isascii()


class OutputWindow:
    """One message on its way out."""

    def __init__(self, rules: OutputRules) -> None:
        self._rules = rules
        self._before = ""
        """The last character that went out: a word may go on from it."""
        self._held = ""

    def feed(self, piece: str) -> str:
        """Take a piece; returns what may go out now, perhaps nothing.

        Raises:
            OutputBlockedError: Something blocked has come; none of it went out.

        """
        rules = self._rules
        if not self._held and rules.is_plain(piece):
            self._before = piece[-1]
            return piece
        text = f"{self._before}{self._held}{piece}"
        start = len(self._before)
        if rules.blocks(text, start=start, is_whole=False):
            raise OutputBlockedError("the reply held what its policy blocks")
        cut = rules.beginning(text, start)
        if len(text) - cut > MAX_HELD_CHARACTERS:
            cut = len(text)
        self._held = text[cut:]
        if cut > start:
            self._before = text[cut - 1]
        return text[start:cut]

    def finish(self) -> str:
        """End the message; returns what was still held back.

        Raises:
            OutputBlockedError: It is something blocked.

        """
        held, self._held = self._held, ""
        if held and self._rules.blocks(
            f"{self._before}{held}", start=len(self._before)
        ):
            raise OutputBlockedError("the reply held what its policy blocks")
        return held


def _whole(phrase: str) -> str:
    """The pattern of a phrase that is no part of a longer word."""
    before = r"(?<!\w)" if re.match(r"\w", phrase) else ""
    after = r"(?!\w)" if re.search(r"\w\Z", phrase) else ""
    return f"{before}{re.escape(phrase)}{after}"


def _folded(text: str) -> str:
    """Lower case and plain spaces, every character where it was."""
    lowered = text.lower()
    if len(lowered) != len(text):
        lowered = "".join(
            character.lower() if len(character.lower()) == 1 else character
            for character in text
        )
    return lowered.translate(_SPACES)
