"""Pinned and branched sessions, copied messages, links to devices, search.

Revision ID: 2
Revises: 1
"""

import sqlalchemy as sa
from alembic import op

from services.api_gateway.store_sql.words import indexed_words

revision = "2"
down_revision = "1"
min_reader = 2

_TITLES_FROM = 1 << 40
_SESSION_COLUMNS = (
    "session_id, founder_id, title, title_folded, is_archived, created_at,"
    " updated_at, summary_text, summary_upto_seq"
)
_MESSAGE_COLUMNS = (
    "message_id, session_id, founder_id, run_id, role, text, status, seq, request_id,"
    " agent, suggestions, feedback, feedback_comment, created_at, finished_at"
)


def upgrade() -> None:
    """Build sessions and messages anew, in the order they came, and index them."""
    _rebuild_sessions()
    _rebuild_messages()
    _create_links()
    _create_search_index()


def _rebuild_sessions() -> None:
    op.create_table(
        "new_sessions",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("founder_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("title_folded", sa.Text(), nullable=False),
        sa.Column("is_archived", sa.Boolean(), nullable=False),
        sa.Column("is_pinned", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.Column("branched_from_session", sa.Text(), nullable=True),
        sa.Column("branched_from_message", sa.Text(), nullable=True),
        sa.Column("branched_left_out", sa.Integer(), nullable=True),
        sa.Column("summary_text", sa.Text(), nullable=True),
        sa.Column("summary_upto_seq", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("session_id"),
        sa.ForeignKeyConstraint(["founder_id"], ["founders.founder_id"]),
    )
    op.execute(
        f"INSERT INTO new_sessions ({_SESSION_COLUMNS}, is_pinned)"  # noqa: S608 - names from above
        f" SELECT {_SESSION_COLUMNS}, 0 FROM sessions ORDER BY created_at, session_id"
    )
    op.drop_table("sessions")
    op.rename_table("new_sessions", "sessions")
    op.create_index(
        "sessions_by_use",
        "sessions",
        [
            "founder_id",
            "is_archived",
            sa.literal_column("is_pinned DESC"),
            sa.literal_column("updated_at DESC"),
            sa.literal_column("session_id DESC"),
        ],
        unique=False,
    )
    op.create_index(
        "sessions_by_origin",
        "sessions",
        ["branched_from_session"],
        unique=False,
        sqlite_where=sa.text("branched_from_session IS NOT NULL"),
    )


def _rebuild_messages() -> None:
    op.create_table(
        "new_messages",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("founder_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("suggestions", sa.Text(), nullable=False),
        sa.Column("feedback", sa.Text(), nullable=False),
        sa.Column("feedback_comment", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("message_id"),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.session_id"]),
        sa.ForeignKeyConstraint(["founder_id"], ["founders.founder_id"]),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"]),
    )
    op.execute(
        f"INSERT INTO new_messages ({_MESSAGE_COLUMNS}) SELECT {_MESSAGE_COLUMNS}"  # noqa: S608 - names from above
        " FROM messages ORDER BY rowid"
    )
    op.drop_table("messages")
    op.rename_table("new_messages", "messages")
    op.create_index("messages_by_run", "messages", ["run_id", "seq"], unique=False)
    op.create_index("messages_by_seq", "messages", ["session_id", "seq"], unique=True)
    op.create_index(
        "messages_copied",
        "messages",
        ["session_id", "seq"],
        unique=False,
        sqlite_where=sa.text("run_id IS NULL"),
    )


def _create_links() -> None:
    op.create_table(
        "links",
        sa.Column("link_hash", sa.Text(), nullable=False),
        sa.Column("founder_id", sa.Text(), nullable=False),
        sa.Column("expires_at_ms", sa.Integer(), nullable=False),
        sa.Column("redeemed_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["founder_id"], ["founders.founder_id"]),
        sa.PrimaryKeyConstraint("link_hash"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "links_by_founder", "links", ["founder_id", "expires_at_ms"], unique=False
    )
    op.create_index("links_by_expiry", "links", ["expires_at_ms"], unique=False)


def _create_search_index() -> None:
    op.execute(
        "CREATE VIRTUAL TABLE search_index USING fts5("
        "words, content='', columnsize=0, detail='none',"
        " tokenize=\"ascii tokenchars '_'\")"
    )
    op.execute("INSERT INTO search_index (search_index, rank) VALUES ('automerge', 8)")
    bind = op.get_bind()
    _index(
        bind,
        "SELECT number, founder_id, text FROM messages"
        " WHERE status NOT IN ('superseded', 'streaming') ORDER BY number",
    )
    _index(
        bind,
        f"SELECT number + {_TITLES_FROM}, founder_id, title FROM sessions"  # noqa: S608 - a number from above
        " WHERE title != '' ORDER BY number",
    )


def _index(bind: sa.Connection, query: str) -> None:
    for number, founder_id, text in bind.exec_driver_sql(query):
        bind.exec_driver_sql(
            "INSERT INTO search_index (rowid, words) VALUES (?, ?)",
            (number, indexed_words(founder_id, text)),
        )
