"""The search index, kept in step with the rows in the same transaction.

Its rows stand for messages by their `number` and for titles by the session's,
shifted by `TITLES_FROM`. It holds words and no text: what goes out of it has to be
given as it went in.
"""

import sqlite3

from sqlalchemy import select, text

from services.api_gateway.store_sql.log import Tx
from services.api_gateway.store_sql.models import messages, sessions
from services.api_gateway.store_sql.statements import Statement, given
from services.api_gateway.store_sql.words import indexed_words
from services.api_gateway.wire.views import MessageStatus

__all__ = [
    "TITLES_FROM",
    "add_message",
    "add_messages",
    "change_title",
    "drop_message",
    "drop_session",
]

TITLES_FROM = 1 << 40
"""Above every message, so that titles are found first."""

_ADD_MESSAGE = Statement(
    text(
        "INSERT INTO search_index (rowid, words)"
        " SELECT number, :words FROM messages WHERE message_id = :message_id"
    )
)
_ADD = Statement(
    text("INSERT INTO search_index (rowid, words) VALUES (:number, :words)")
)
_DROP = Statement(
    text(
        "INSERT INTO search_index (search_index, rowid, words)"
        " VALUES ('delete', :number, :words)"
    )
)
_INDEXED = Statement(
    select(messages.c.number, messages.c.founder_id, messages.c.text).where(
        messages.c.session_id == given("session_id"),
        messages.c.status.not_in(
            [MessageStatus.SUPERSEDED.value, MessageStatus.STREAMING.value]
        ),
    )
)
_SESSION = Statement(
    select(sessions.c.number, sessions.c.founder_id, sessions.c.title).where(
        sessions.c.session_id == given("session_id")
    )
)


def add_message(tx: Tx, message_id: str, founder_id: str, message_text: str) -> None:
    """A message whose text will change no more can be found."""
    words = indexed_words(founder_id, message_text)
    tx.change(_ADD_MESSAGE, message_id=message_id, words=words)


def add_messages(tx: Tx, founder_id: str, texts: dict[str, str]) -> None:
    """The same for many, by message id."""
    rows = (
        {"message_id": message_id, "words": indexed_words(founder_id, message_text)}
        for message_id, message_text in texts.items()
    )
    tx.change_many(_ADD_MESSAGE, rows)


def drop_message(tx: Tx, message: sqlite3.Row) -> None:
    """A message that was found is found no more."""
    words = indexed_words(message["founder_id"], message["text"])
    tx.change(_DROP, number=message["number"], words=words)


def change_title(tx: Tx, session_id: str, title: str) -> None:
    """The title that is stored gives way to another; called before it is."""
    session = tx.one(_SESSION, session_id=session_id)
    if session is None or session["title"] == title:
        return
    number, founder_id = session["number"] + TITLES_FROM, session["founder_id"]
    if session["title"]:
        old_words = indexed_words(founder_id, session["title"])
        tx.change(_DROP, number=number, words=old_words)
    if title:
        tx.change(_ADD, number=number, words=indexed_words(founder_id, title))


def drop_session(tx: Tx, session_id: str) -> None:
    """Nothing of the session is found any more; called while its rows are there."""
    change_title(tx, session_id, "")
    rows = tx.all(_INDEXED, session_id=session_id)
    tx.change_many(
        _DROP,
        (
            {
                "number": row["number"],
                "words": indexed_words(row["founder_id"], row["text"]),
            }
            for row in rows
        ),
    )
