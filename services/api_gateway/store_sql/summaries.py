"""The prose a session's older turns were folded into: kept, and never shown.

A turn's place in the talk is the seq its run was created with. A summary covers
whole turns up to a place and stays right: of what is stored before the turn being
answered nothing changes any more, for only the last run can be tried again.
"""

import sqlite3

from sqlalchemy import func, select, update

from services.api_gateway.store import SummaryRow
from services.api_gateway.store_sql.log import Tx
from services.api_gateway.store_sql.models import messages, runs, sessions
from services.api_gateway.store_sql.statements import Reading, Statement, given

__all__ = ["copy_summary", "find_summary", "keep_summary"]

_MAX_CHARACTERS = 40_000
"""More than any orchestrator folds into: a row is no place for conversations."""

_FIND = Statement(
    select(sessions.c.summary_text, sessions.c.summary_upto_seq).where(
        sessions.c.session_id == given("session_id")
    )
)
_QUESTION = Statement(select(runs.c.message_id).where(runs.c.run_id == given("run_id")))
_PLACE = Statement(
    select(runs.c.created_seq)
    .join(messages, messages.c.run_id == runs.c.run_id)
    .where(messages.c.message_id == given("message_id"))
)
_KEEP = Statement(
    update(sessions)
    .where(
        sessions.c.session_id == given("of_session"),
        func.coalesce(sessions.c.summary_upto_seq, 0) < given("upto_seq"),
    )
    .values(summary_text=given("text"), summary_upto_seq=given("upto_seq"))
)


def find_summary(reading: Reading, session_id: str) -> SummaryRow | None:
    """What the session's older turns were folded into, if they were."""
    row = reading.one(_FIND, session_id=session_id)
    if row is None or row["summary_text"] is None:
        return None
    return SummaryRow(row["summary_text"], row["summary_upto_seq"])


def copy_summary(tx: Tx, session_id: str, text: str, upto_seq: int) -> None:
    """Give a branch the summary of the turns it was given copies of."""
    tx.change(_KEEP, of_session=session_id, text=text, upto_seq=upto_seq)


def keep_summary(tx: Tx, run: sqlite3.Row, text: str, upto_seq: int) -> str | None:
    """Let a proposed summary take the place of the one there is.

    It has to cover more than that one, and only turns before the one that is being
    answered. Returns what is wrong with it, None when it is kept.
    """
    if not 0 < len(text.strip()) <= _MAX_CHARACTERS:
        return "summary_length"
    if not 0 < upto_seq < _place_of_answered_turn(tx, run):
        return "summary_of_unfinished_turn"
    changed = tx.change(
        _KEEP, of_session=run["session_id"], text=text, upto_seq=upto_seq
    )
    return None if changed else "summary_outdated"


def _place_of_answered_turn(tx: Tx, run: sqlite3.Row) -> int:
    """The run's own place; of a retry, that of the message it answers."""
    message_id = tx.value(_QUESTION, run_id=run["run_id"])
    place: int | None = tx.value(_PLACE, message_id=message_id) if message_id else None
    own: int = run["created_seq"]
    return own if place is None else min(place, own)
