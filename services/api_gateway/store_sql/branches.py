"""Branches: a new session that begins with a copy of the talk up to a message.

Copied are the turns before the message's own, the newest `MOST_COPIED` messages with
at most `MOST_CHARACTERS`, in the order in which they were answered: what the coach
knew when it answered. Each copy is an event of the new stream and a message of its
own, without a run, so the source may change or go.
"""

import sqlite3
from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from uuid import uuid4

from sqlalchemy import case, func, select

from services.api_gateway.errors import (
    MessageUnknownError,
    NotBranchableError,
    SessionBusyError,
)
from services.api_gateway.store import CommandKey
from services.api_gateway.store_sql import messages as message_rows
from services.api_gateway.store_sql import requests, search_index, sessions, summaries
from services.api_gateway.store_sql.log import Tx, session_stream
from services.api_gateway.store_sql.models import messages, runs
from services.api_gateway.store_sql.statements import Statement, given
from services.api_gateway.wire.views import (
    Branched,
    BranchedFrom,
    FeedbackValue,
    MessageStatus,
    MessageView,
    Role,
)

__all__ = ["MOST_CHARACTERS", "MOST_COPIED", "create"]

MOST_COPIED = 500
"""The newest are: in one transaction, which everybody's words wait for (90 ms)."""
MOST_CHARACTERS = 400_000
"""For every word is indexed: 500 messages of 8,000 characters take seconds."""

_SEQ_OF_BEGIN = 1

_PLACE = func.coalesce(runs.c.created_seq, messages.c.seq).label("place")
_PLACED = select(messages, _PLACE).outerjoin(runs, runs.c.run_id == messages.c.run_id)
_OWNED = Statement(
    _PLACED.where(
        messages.c.message_id == given("message_id"),
        messages.c.founder_id == given("founder_id"),
    )
)
_IS_BEFORE = (
    messages.c.session_id == given("session_id"),
    messages.c.status != MessageStatus.SUPERSEDED.value,
    given("place") > _PLACE,
)
_BEFORE = Statement(
    _PLACED.where(*_IS_BEFORE)
    .order_by(
        _PLACE.desc(),
        case((messages.c.role == Role.FOUNDER.value, 0), else_=1).desc(),
        messages.c.seq.desc(),
    )
    .limit(MOST_COPIED)
)
_COUNT_BEFORE = Statement(
    select(func.count())
    .select_from(messages.outerjoin(runs, runs.c.run_id == messages.c.run_id))
    .where(*_IS_BEFORE)
)


def create(
    tx: Tx, key: CommandKey, session_id: str, *, message_id: str, text: str
) -> Branched:
    """Copy what was said before a founder's message and say something else."""
    if (first := requests.recall(tx, key)) is not None:
        return Branched.model_validate(first)
    source = sessions.require(tx, key.founder_id, session_id)
    message = _require_own_words(tx, key.founder_id, session_id, message_id)
    place = message["place"]
    talk = _newest(tx.all(_BEFORE, session_id=session_id, place=place))[::-1]
    _refuse_unless_settled(talk)
    said = tx.value(_COUNT_BEFORE, session_id=session_id, place=place)
    origin = BranchedFrom(
        session_id=session_id, message_id=message_id, left_out=said - len(talk)
    )
    branch_id = sessions.begin(tx, key.founder_id, source["title"], origin)
    copies = _copy(tx, branch_id, talk)
    if source["summary_text"] is not None and source["summary_upto_seq"] < place:
        _copy_summary(tx, source, branch_id, zip(talk, copies, strict=True))
    accepted = message_rows.store(
        tx,
        sessions.require(tx, key.founder_id, branch_id),
        text=text,
        request_id=key.request_id,
    )
    branched = Branched(
        session=sessions.find(tx, key.founder_id, branch_id),
        message_id=accepted.message_id,
        seq=accepted.seq,
        run_id=accepted.run_id,
    )
    requests.remember(tx, key, branch_id, branched.model_dump())
    return branched


def _require_own_words(
    tx: Tx, founder_id: str, session_id: str, message_id: str
) -> sqlite3.Row:
    message = tx.one(_OWNED, message_id=message_id, founder_id=founder_id)
    if message is None:
        raise MessageUnknownError(f"there is no message {message_id}")
    if message["session_id"] != session_id or message["role"] != Role.FOUNDER.value:
        raise NotBranchableError(
            f"message {message_id} is not the founder's own in session {session_id}"
        )
    return message


def _newest(rows: list[sqlite3.Row]) -> list[sqlite3.Row]:
    """As many of the messages, newest first, as have room."""
    characters = accumulate(len(row["text"]) for row in rows)
    return rows[: bisect_right(list(characters), MOST_CHARACTERS)]


def _refuse_unless_settled(talk: list[sqlite3.Row]) -> None:
    if any(row["status"] == MessageStatus.STREAMING.value for row in talk):
        raise SessionBusyError(
            "the coach still answers what was said before; wait or stop it"
        )


def _copy(tx: Tx, branch_id: str, talk: list[sqlite3.Row]) -> list[MessageView]:
    """Append a copy of every message; returns them as they are in the branch."""
    if not talk:
        return []
    stream = session_stream(branch_id)
    founder_id = talk[0]["founder_id"]
    last_seq = tx.last_seq(stream)
    copies = [
        _copied(row, branch_id, seq) for seq, row in enumerate(talk, last_seq + 1)
    ]
    tx.append_run(
        stream,
        None,
        [
            (None, "message.copied", {"message": copy.model_dump(mode="json")})
            for copy in copies
        ],
        last_seq=last_seq,
    )
    tx.change_many(
        message_rows.INSERT,
        (
            {
                **copy.model_dump(mode="json", exclude={"suggestions", "feedback"}),
                "founder_id": founder_id,
            }
            for copy in copies
        ),
    )
    texts = {copy.message_id: copy.text for copy in copies}
    search_index.add_messages(tx, founder_id, texts)
    return copies


def _copied(row: sqlite3.Row, branch_id: str, seq: int) -> MessageView:
    """The same words of the same time; nothing offered and nothing rated."""
    return MessageView(
        message_id=str(uuid4()),
        session_id=branch_id,
        role=Role(row["role"]),
        text=row["text"],
        status=MessageStatus(row["status"]),
        seq=seq,
        run_id=None,
        request_id=None,
        agent=row["agent"],
        suggestions=[],
        feedback=FeedbackValue.NONE,
        created_at=row["created_at"],
        finished_at=row["finished_at"],
    )


def _copy_summary(
    tx: Tx,
    source: sqlite3.Row,
    branch_id: str,
    copied: Iterable[tuple[sqlite3.Row, MessageView]],
) -> None:
    """Take over what older turns were folded into, copied or left out."""
    upto_seq = _SEQ_OF_BEGIN
    for row, copy in copied:
        if row["place"] <= source["summary_upto_seq"]:
            upto_seq = copy.seq
    summaries.copy_summary(tx, branch_id, source["summary_text"], upto_seq)
