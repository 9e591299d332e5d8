"""What the simulated coach understands of a message: little, and that reliably."""

import re

__all__ = [
    "asks_for_memory",
    "asks_for_name",
    "find_name",
    "is_farewell",
    "is_vague",
    "quote",
    "words_of",
]

_NAMED = re.compile(r"\b(?i:my name is|my name's|call me|name is|named) ([A-Z][\w'-]*)")
_INTRODUCED = re.compile(
    r"\bI(?:'m| am) ([A-Z][a-z'-]+)(?=\s*(?:[,.!]|and\b|from\b|$))"
)
_CLAUSE_END = re.compile(r"[.!?;:\n]+|,\s|\s[-\u2013\u2014]+\s")
_MARKUP = re.compile(r"[*_#<>\[\](){}|`~\"“”\\]+|/fault:\w+|https?://\S+")
_WORD = re.compile(r"[^\W\d_][\w'-]*")
_FAREWELL = re.compile(r"(?i)\b(bye|goodbye|thanks|thank you|see you|that's all)\b")
_OWN_NAME = re.compile(r"(?i)\bmy name\b")
_MEMORY = re.compile(r"(?i)\b(do you remember|remind me|what did i (say|tell))\b")
_MAX_QUOTED_WORDS = 10
_MAX_QUOTED_CHARACTERS = 80
_SHORT_MESSAGE_WORDS = 12

_FILLERS = frozenset(
    _WORD.findall(
        "a about all also am an and are as at be because been but by can could did do"
        " does for from get got had has have he her him his how i i'm in is it it's its"
        " just like me my no not of oh ok on or our really so some than that that's the"
        " their them then there they this to too up us very was we well were what when"
        " which who why will with would yes you your"
    )
)
_VAGUE_WORDS = frozenset(
    _WORD.findall(
        "everything things thing stuff something anything bad good nice hard life work"
        " money people problem problems business startup rich idea ideas hello hi hey"
        " help please dunno maybe sure okay yeah"
    )
)


def words_of(text: str) -> list[str]:
    """The words of a text in lower case."""
    return [word.casefold() for word in _WORD.findall(_plain(text))]


def quote(text: str) -> str:
    """The clause of a message that says most, short enough to be quoted."""
    clauses = [
        clause.split()[:_MAX_QUOTED_WORDS]
        for clause in _CLAUSE_END.split(_MARKUP.sub(" ", _plain(text)))
    ]
    best = max(clauses, key=lambda clause: len(_content(" ".join(clause))))
    while best and len(" ".join(best)) > _MAX_QUOTED_CHARACTERS:
        best = best[:-1]
    return " ".join(best).strip(" ,'")


def find_name(texts: list[str]) -> str | None:
    """The founder's name, when one of the texts gives it outright."""
    for text in texts:
        plain = _plain(text)
        found = _NAMED.search(plain) or _INTRODUCED.search(plain)
        if found:
            return found[1].removesuffix("'s").rstrip("'-")
    return None


def is_vague(text: str) -> bool:
    """Whether there is hardly anything in it to go on."""
    content = _content(text)
    concrete = content - _VAGUE_WORDS
    return not concrete or (len(concrete) == 1 and concrete != content)


def is_farewell(text: str) -> bool:
    """Whether the founder is about to leave."""
    is_short = len(words_of(text)) <= _SHORT_MESSAGE_WORDS
    return is_short and bool(_FAREWELL.search(_plain(text)))


def asks_for_name(text: str) -> bool:
    """Whether the founder wants to hear their own name."""
    return "?" in text and bool(_OWN_NAME.search(text))


def asks_for_memory(text: str) -> bool:
    """Whether the founder wants to hear what they said before."""
    return bool(_MEMORY.search(text))


def _content(text: str) -> set[str]:
    return {word for word in words_of(text) if word not in _FILLERS}


def _plain(text: str) -> str:
    """With typewriter apostrophes."""
    return text.replace("\u2019", "'")
