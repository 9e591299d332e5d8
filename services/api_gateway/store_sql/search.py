"""Search: what the index of words finds, and the words around it.

Found are the founder's titles, then their messages, the newest first: the order the
index has anyway. Archived sessions count, deleted ones are gone.
"""

import unicodedata
from itertools import chain

from sqlalchemy import select, text

from services.api_gateway.errors import InvalidCommandError
from services.api_gateway.store_sql import sessions
from services.api_gateway.store_sql.models import messages
from services.api_gateway.store_sql.models import sessions as session_rows
from services.api_gateway.store_sql.search_index import TITLES_FROM
from services.api_gateway.store_sql.statements import Reading, Statement, given
from services.api_gateway.store_sql.words import index_query, matches, query_words
from services.api_gateway.wire.views import (
    MessageHit,
    Role,
    SearchHit,
    SearchPage,
    SnippetPart,
)

__all__ = ["find", "snippet"]

_HITS = Statement(
    text(
        "SELECT rowid AS place FROM search_index WHERE search_index MATCH :query"
        " AND rowid < :below ORDER BY rowid DESC LIMIT :limit"
    )
)
_TITLED = Statement(
    select(session_rows.c.session_id).where(session_rows.c.number == given("number"))
)
_MESSAGE = Statement(select(messages).where(messages.c.number == given("number")))
_ABOVE_ALL = 2**62
_SNIPPET_LENGTH = 180
_LEAD_LENGTH = 50


def find(
    reading: Reading, founder_id: str, *, query: str, cursor: str | None, limit: int
) -> SearchPage:
    """Titles and messages in which every word of the query begins a word."""
    below = _decode(cursor) if cursor else _ABOVE_ALL
    words = query_words(query)
    if not words:
        return SearchPage(hits=[], next_cursor=None)
    places = [
        int(row["place"])
        for row in reading.all(
            _HITS,
            query=index_query(founder_id, words),
            below=below,
            limit=limit + 1,
        )
    ]
    hits = [_hit(reading, founder_id, place, words) for place in places[:limit]]
    has_more = len(places) > limit
    return SearchPage(
        hits=hits,
        next_cursor=f"{places[limit - 1]:x}" if has_more else None,
    )


def snippet(message_text: str, words: list[str]) -> list[SnippetPart]:
    """The text around the first match, in parts that do or do not match."""
    composed = " ".join(unicodedata.normalize("NFC", message_text).split())
    found = matches(composed, words)
    first = next(found, None)
    begin = at = 0 if first is None else _begin(composed, first[0])
    end = begin + _SNIPPET_LENGTH
    parts = [SnippetPart(text="…", is_match=False)] if begin else []
    for start, stop in () if first is None else chain([first], found):
        if start >= end:
            break
        if start > at:
            parts.append(SnippetPart(text=composed[at:start], is_match=False))
        at = min(stop, end)
        parts.append(SnippetPart(text=composed[start:at], is_match=True))
    rest = composed[at:end] + ("…" if end < len(composed) else "")
    if rest:
        parts.append(SnippetPart(text=rest, is_match=False))
    return parts


def _hit(reading: Reading, founder_id: str, place: int, words: list[str]) -> SearchHit:
    if place >= TITLES_FROM:
        session_id = reading.value(_TITLED, number=place - TITLES_FROM)
        session = sessions.find(reading, founder_id, session_id)
        return SearchHit(session=session, message=None)
    (row,) = reading.all(_MESSAGE, number=place)
    message = MessageHit(
        message_id=row["message_id"],
        seq=row["seq"],
        role=Role(row["role"]),
        created_at=row["created_at"],
        snippet=snippet(row["text"], words),
    )
    session = sessions.find(reading, founder_id, row["session_id"])
    return SearchHit(session=session, message=message)


def _begin(composed: str, first_match: int) -> int:
    """Where the snippet begins: at a word not far before the match."""
    if first_match <= _LEAD_LENGTH:
        return 0
    earliest = first_match - _LEAD_LENGTH
    space = composed.find(" ", earliest, first_match)
    return earliest if space < 0 else space + 1


def _decode(cursor: str) -> int:
    try:
        return max(0, min(int(cursor, 16), _ABOVE_ALL))
    except ValueError:
        raise InvalidCommandError(
            "cursor: not one this search gave; begin without a cursor"
        ) from None
