"""Keys, passwords and card numbers in text: found, masked, or seen coming.

Every pattern is matched in time linear in the text: a candidate begins only where
a run of its characters begins, repetitions never overlap, and all else is bounded.
"""

import re
import string
from collections import Counter
from typing import Final

__all__ = ["STARTS_OF_SECRETS", "beginning_of_secret", "find_secret", "mask_secrets"]

# A prefix, what may follow it, and how much of it makes a secret.
_KEYS: Final = (
    ("sk-", r"[A-Za-z0-9_-]", 20),
    ("sk_live_", r"[A-Za-z0-9]", 16),
    ("sk_test_", r"[A-Za-z0-9]", 16),
    ("rk_live_", r"[A-Za-z0-9]", 16),
    ("rk_test_", r"[A-Za-z0-9]", 16),
    ("whsec_", r"[A-Za-z0-9+/=]", 24),
    ("AKIA", r"[A-Z0-9]", 16),
    ("ASIA", r"[A-Z0-9]", 16),
    ("AIza", r"[A-Za-z0-9_-]", 35),
    ("GOCSPX-", r"[A-Za-z0-9_-]", 20),
    ("ya29.", r"[A-Za-z0-9_-]", 30),
    ("ghp_", r"[A-Za-z0-9]", 30),
    ("gho_", r"[A-Za-z0-9]", 30),
    ("ghs_", r"[A-Za-z0-9]", 30),
    ("ghu_", r"[A-Za-z0-9]", 30),
    ("ghr_", r"[A-Za-z0-9]", 30),
    ("github_pat_", r"[A-Za-z0-9_]", 22),
    ("glpat-", r"[A-Za-z0-9_-]", 20),
    ("xoxb-", r"[A-Za-z0-9-]", 16),
    ("xoxp-", r"[A-Za-z0-9-]", 16),
    ("xoxa-", r"[A-Za-z0-9-]", 16),
    ("xoxr-", r"[A-Za-z0-9-]", 16),
    ("xapp-", r"[A-Za-z0-9-]", 16),
    ("hooks.slack.com/services/", r"[A-Za-z0-9/]", 30),
    ("hf_", r"[A-Za-z0-9]", 30),
    ("npm_", r"[A-Za-z0-9]", 36),
    ("pypi-", r"[A-Za-z0-9_-]", 50),
    ("gsk_", r"[A-Za-z0-9]", 30),
    ("xai-", r"[A-Za-z0-9]", 40),
    ("shpat_", r"[A-Fa-f0-9]", 32),
    ("SK", r"[a-f0-9]", 32),
    ("SG.", r"[A-Za-z0-9_.-]", 60),
    ("eyJ", r"[A-Za-z0-9_.-]", 40),
)
_BEARER: Final = r"[A-Za-z0-9._~+/=-]"
_LEAST_BEARER: Final = 20
_BOUNDARY: Final = r"(?<![\w-])"
_GAP: Final = "[ \u00a0\u202f\u2011\u2013-]"
"""What people and programs put between the groups of a number."""
_RUN_START: Final = rf"(?<![0-9])(?<![0-9]{_GAP})"

_SECRET: Final = re.compile(
    rf"(?P<key>{_BOUNDARY}(?:"
    + "|".join(
        f"{re.escape(prefix)}{follows}{{{least},}}+" for prefix, follows, least in _KEYS
    )
    + ")"
    rf"|{_BOUNDARY}[Bb](?:earer|EARER)[ \t]{{1,4}}{_BEARER}{{{_LEAST_BEARER},}}+)"
    r"|(?P<private_key>-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----)"
    r"|(?P<password>://[^\s:/@]{0,64}:[^\s/]{1,128}@)"
    rf"|(?P<digits>{_RUN_START}[0-9](?:{_GAP}?[0-9]){{12,}}+)"
)
# What is called a secret: letters and digits after the name of one.
_NAMED: Final = re.compile(
    r"(?:passwor[dt]|passwd|kennwort|secret|api[_-]?key|access[_-]?key|accountkey"
    r"|auth[_-]?token|access[_-]?token|authorization|[?&]sig)[\"']?"
    r"[ \t]{0,3}[:=][ \t]{0,3}[\"']?(?:basic[ \t])?"
    r"(?P<value>(?!https?://)(?=[^\s\"'<>;,&\[]{0,99}[0-9])"
    r"(?=[^\s\"'<>;,&\[]{0,99}[A-Za-z])[^\s\"'<>;,&\[]{8,512})",
    re.IGNORECASE,
)
_NAMES: Final = ("passw", "kennwort", "secret", "key", "token", "authoriz", "sig=")
_PRIVATE_KEY_BODY: Final = re.compile(
    r"(?:[^-]|-(?!----))*+-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r"|(?:\s*+[A-Z][A-Za-z-]{3,20}: [^\n]{1,80}+)*+(?:\s*+[A-Za-z0-9+/=]{16,}+)*+"
)


def _unfinished(prefix: str, follows: str) -> str:
    """The pattern of a key's first character and whatever else there is of it."""
    pattern = rf"{re.escape(prefix[-1])}{follows}*+"
    for character in reversed(prefix[:-1]):
        pattern = rf"{re.escape(character)}(?:{pattern})?"
    return pattern


# Anything short enough that its end decides what it is.
_UNFINISHED: Final = re.compile(
    rf"{_BOUNDARY}(?:"
    + "|".join(rf"(?:{_unfinished(prefix, follows)})\Z" for prefix, follows, _ in _KEYS)
    + "|"
    + "|".join(rf"[Bb]{'earer'[:cut]}\Z" for cut in range(5))
    + rf"|[Bb]earer[ \t]{{0,4}}{_BEARER}*+\Z)"
    r"|-{1,5}\Z|-----[A-Z ]{1,47}-{0,4}\Z"
    r"|:/{0,2}\Z|://[^\s:/@]{0,64}(?::[^\s/@]{0,128})?\Z"
    rf"|{_RUN_START}[0-9](?:{_GAP}?[0-9])*+{_GAP}?\Z"
)
_LAST: Final = frozenset(
    f"{string.ascii_letters}{string.digits}_-./+=~: \t\u00a0\u202f\u2011\u2013"
)
"""With what something unfinished ends, but for a password."""
_PLACEHOLDERS: Final = {
    "key": "[masked: API key]",
    "private_key": "[masked: private key]",
    "password": "[masked: password]",
    "digits": "[masked: card number]",
}
_NAMED_AS: Final = _PLACEHOLDERS["password"]
# How card numbers begin, and how many digits they then have.
_CARD: Final = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})"
    r"|(?:5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720))[0-9]+"
    r"|3[47][0-9]{13}|3(?:0[0-5]|[68])[0-9]+|6(?:011|5)[0-9]+"
)
_CARD_LENGTHS: Final = range(13, 20)
_MANY_DIGITS: Final = re.compile(rf"[0-9](?:{_GAP}?[0-9]){{12}}")
# No part of a word: an order number may end like a card.
_GROUP: Final = re.compile(r"(?<!\w)[0-9]+(?!\w)")
_LEAST_GROUP: Final = 4
_SHORTEST_KEY: Final = min(
    _LEAST_BEARER, *(len(key) + least for key, _, least in _KEYS)
)
_MIXED_KEYS: Final = ("sk-", "bearer", "xox")
"""Prefixes that words begin with too: a key has digits."""


def mask_secrets(text: str) -> tuple[str, Counter[str]]:
    """Put placeholders for secrets; also what was masked, counted by kind.

    The same kind has the same placeholder everywhere; masked text has nothing
    left to mask.
    """
    masked: Counter[str] = Counter()
    if _may_hold_secret(text):
        text = _without_recognised(text, masked)
    if ":" in text or "=" in text:
        lowered = text.lower()
        if any(name in lowered for name in _NAMES):
            text = _without_named(text, masked)
    return text, masked


def _without_named(text: str, masked: Counter[str]) -> str:
    """Mask what the text itself calls a secret."""

    def hidden(match: re.Match[str]) -> str:
        masked["password"] += 1
        return match[0][: match.start("value") - match.start()] + _NAMED_AS

    return _NAMED.sub(hidden, text)


def _without_recognised(text: str, masked: Counter[str]) -> str:
    """Mask what looks like a secret whatever it is called."""
    parts: list[str] = []
    end = 0
    for match in _SECRET.finditer(text):
        if match.start() < end:
            continue
        for start, stop, kind in _spans(match):
            parts += (text[end:start], _PLACEHOLDERS[kind])
            end = stop
            masked[kind] += 1
    return "".join((*parts, text[end:])) if parts else text


def _may_hold_secret(text: str) -> bool:
    """Rule out ordinary prose: ten times cheaper than to search it."""
    if len(text) < _CARD_LENGTHS[0]:
        return "://" in text
    return (
        "://" in text
        or "-----BEGIN " in text
        or max(map(len, text.split()), default=0) >= _SHORTEST_KEY
        or _MANY_DIGITS.search(text) is not None
    )


def find_secret(text: str, start: int = 0, *, is_whole: bool = True) -> bool:
    """Tell whether the text from a place on holds a secret.

    Unless it is whole, digits at its end may still go on, and are none yet.
    """
    if not _may_hold_secret(text):
        return False
    return any(
        True
        for match in _SECRET.finditer(text, start)
        if is_whole or match.lastgroup != "digits" or match.end() < len(text)
        for _ in _spans(match)
    )


STARTS_OF_SECRETS: Final = frozenset(
    prefix[:length]
    for prefix in (*(prefix for prefix, _, _ in _KEYS), "bearer", "Bearer", "BEARER")
    for length in range(1, 4)
)
"""How the words begin that `beginning_of_secret` may find, by up to three letters."""


def beginning_of_secret(text: str, start: int) -> int:
    """Tell where, from a place on, the end of the text may begin a secret.

    The text's length when nothing can.
    """
    if text[-1:] not in _LAST and "://" not in text:
        return len(text)
    match = _UNFINISHED.search(text, start)
    return len(text) if match is None else match.start()


def _spans(match: re.Match[str]) -> list[tuple[int, int, str]]:
    """The secrets in what looks like one: perhaps none."""
    kind = str(match.lastgroup)
    start, end = match.span()
    match kind:
        case "key":
            return [(start, end, kind)] if _is_key(match[0]) else []
        case "private_key":
            body = _PRIVATE_KEY_BODY.match(match.string, end)
            return [(start, body.end() if body else end, kind)]
        case "password":
            colon = match.string.index(":", start + 3)
            return [(colon + 1, end - 1, kind)]
        case _:
            return [(*span, kind) for span in _cards(match.string, start, end)]


def _is_key(found: str) -> bool:
    if found.startswith("eyJ"):
        return ".eyJ" in found
    if found.lower().startswith(_MIXED_KEYS):
        return any(character.isdigit() for character in found)
    return True


def _cards(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Card numbers in a run of digits: whole groups whose check digit is right."""
    groups = [match.span() for match in _GROUP.finditer(text, start, end)]
    found: list[tuple[int, int]] = []
    first = 0
    while first < len(groups):
        begin, stop = groups[first]
        is_decimal = begin > 0 and text[begin - 1] in ".,"
        is_long_enough = stop - begin >= _LEAST_GROUP
        is_possible = is_long_enough and text[begin] in "23456" and not is_decimal
        last = _end_of_card(text, groups, first) if is_possible else None
        if last is None:
            first += 1
            continue
        found.append((begin, groups[last][1]))
        first = last + 1
    return found


def _end_of_card(text: str, groups: list[tuple[int, int]], first: int) -> int | None:
    digits = ""
    for last in range(first, len(groups)):
        start, end = groups[last]
        if len(digits) + end - start > _CARD_LENGTHS[-1]:
            return None
        digits += text[start:end]
        is_long_enough = len(digits) in _CARD_LENGTHS
        if is_long_enough and _CARD.fullmatch(digits) and _passes_luhn(digits):
            return last
    return None


def _passes_luhn(digits: str) -> bool:
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + index % 2)
        total += value - 9 if value > 9 else value  # noqa: PLR2004 - the check's own
    return total % 10 == 0
