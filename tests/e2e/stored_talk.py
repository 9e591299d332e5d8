"""Sessions of any length, put into the store while no gateway runs."""

import sqlite3
import uuid
from collections.abc import Sequence
from contextlib import closing

from libs.testing.stack import Stack
from tests.e2e.chat_page import ChatPage
from tests.e2e.state_steps import began_empty

__all__ = ["store_talk"]

_INSERT = """
INSERT INTO messages (message_id, session_id, founder_id, role, text, status, seq,
                      suggestions, feedback, created_at, finished_at)
SELECT :message_id, session_id, founder_id, :role, :text, 'complete', :seq,
       '[]', 'none', created_at, created_at FROM sessions WHERE session_id = :session_id
"""


async def store_talk(tab: ChatPage, stack: Stack, texts: Sequence[str]) -> str:
    """Begin a session that holds the texts, by founder and coach in turn.

    The gateway is restarted for it. Returns the session's path.
    """
    path = await began_empty(tab)
    session_id = path.rpartition("/")[2]
    stack.gateway.stop()
    with closing(sqlite3.connect(stack.database)) as database, database:
        stream = f"session:{session_id}"
        (first,) = database.execute(
            "SELECT last_seq + 1 FROM streams WHERE stream = ?", [stream]
        ).fetchone()
        for place, text in enumerate(texts):
            row = {
                "message_id": str(uuid.uuid4()),
                "session_id": session_id,
                "role": "coach" if place % 2 else "founder",
                "text": text,
                "seq": first + place,
            }
            database.execute(_INSERT, row)
        last = first + len(texts) - 1
        database.execute(
            "UPDATE streams SET last_seq = ?, compacted_through = ? WHERE stream = ?",
            [last, last, stream],
        )
    await stack.gateway.start()
    return path
