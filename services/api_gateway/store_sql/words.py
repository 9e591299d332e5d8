"""The words of a text as the search index knows them.

A word is indexed together with its owner, `<owner>_<word>`, so that looking one up
never meets another founder's, however often they said it. Case and diacritics do not
count; in scripts that put no space between words every character is one.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

__all__ = ["index_query", "indexed_words", "matches", "query_words"]

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
)
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_WORD_LENGTH = 48
"""What is longer is known by its beginning."""
_QUERY_WORDS = 12
"""More words make a query no narrower."""


def matches(text: str, sought: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where a word of a text begins with one of the folded words sought, in order."""
    beginnings = tuple(sought)
    for found in _WORD.finditer(text):
        if _folded(found[0]).startswith(beginnings):
            yield found.span()


def indexed_words(founder_id: str, text: str) -> str:
    """What is written to the index for a founder's text; each word once."""
    composed = unicodedata.normalize("NFC", text)
    if composed.isascii():
        words = {word[:_WORD_LENGTH] for word in _WORD.findall(composed.lower())}
    else:
        words = {_folded(word) for word in _WORD.findall(composed)} - {""}
    if not words:
        return ""
    prefix = f"{_owner(founder_id)}_"
    return prefix + f" {prefix}".join(words)


def query_words(query: str) -> list[str]:
    """The folded words somebody looks for; nothing else of a query has a meaning."""
    composed = unicodedata.normalize("NFC", query)
    words = filter(None, map(_folded, _WORD.findall(composed)))
    return list(dict.fromkeys(words))[:_QUERY_WORDS]


def index_query(founder_id: str, words: list[str]) -> str:
    """The index's own language for: all of these, each as the beginning of a word."""
    owner = _owner(founder_id)
    return " AND ".join(f'"{owner}_{word}"*' for word in words)


def _owner(founder_id: str) -> str:
    return founder_id.replace("-", "")


def _folded(word: str) -> str:
    if word.isascii():
        return word.lower()[:_WORD_LENGTH]
    # Most words of most scripts are as they should be: asking is a third of the cost.
    if unicodedata.is_normalized("NFKD", word):
        folded = word.casefold()
        if folded.isalnum() and unicodedata.is_normalized("NFKD", folded):
            return folded[:_WORD_LENGTH]
    folded = unicodedata.normalize("NFKD", word).casefold()
    decomposed = unicodedata.normalize("NFKD", folded)
    # Marks go, and what signs such as "⑴" bring along.
    return "".join(filter(str.isalnum, decomposed))[:_WORD_LENGTH]
