"""Create every table.

Revision ID: 1
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None
min_reader = 1


def upgrade() -> None:
    """Create the tables."""
    _create_meta()
    _create_founders()
    _create_tokens()
    _create_sessions()
    _create_streams()
    _create_events()
    _create_runs()
    _create_messages()
    _create_run_steps()
    _create_requests()


def _create_meta() -> None:
    op.create_table(
        "meta",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        sqlite_with_rowid=False,
    )


def _create_founders() -> None:
    op.create_table(
        "founders",
        sa.Column("founder_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("founder_id"),
        sqlite_with_rowid=False,
    )


def _create_tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("founder_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["founder_id"],
            ["founders.founder_id"],
        ),
        sa.PrimaryKeyConstraint("token_hash"),
        sqlite_with_rowid=False,
    )


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("founder_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("title_folded", sa.Text(), nullable=False),
        sa.Column("is_archived", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.Column("summary_text", sa.Text(), nullable=True),
        sa.Column("summary_upto_seq", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["founder_id"],
            ["founders.founder_id"],
        ),
        sa.PrimaryKeyConstraint("session_id"),
    )
    op.create_index(
        "sessions_by_use",
        "sessions",
        [
            "founder_id",
            "is_archived",
            sa.literal_column("updated_at DESC"),
            sa.literal_column("session_id DESC"),
        ],
        unique=False,
    )


def _create_streams() -> None:
    op.create_table(
        "streams",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("founder_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("last_seq", sa.Integer(), nullable=False),
        sa.Column("compacted_through", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["founder_id"],
            ["founders.founder_id"],
        ),
        sa.PrimaryKeyConstraint("stream"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "streams_of_founders_by_length",
        "streams",
        [sa.text("last_seq - compacted_through")],
        sqlite_where=sa.text("kind = 'founder'"),
    )


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("ts", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("run_offset", sa.Integer(), nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["stream"],
            ["streams.stream"],
        ),
        sa.PrimaryKeyConstraint("stream", "seq"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "events_by_run_offset",
        "events",
        ["run_id", "run_offset"],
        unique=True,
        sqlite_where=sa.text("run_offset IS NOT NULL"),
    )


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("founder_id", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("parent_run_id", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_seq", sa.Integer(), nullable=False),
        sa.Column("is_head", sa.Boolean(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("lease_until_ms", sa.Integer(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("instance_id", sa.Text(), nullable=True),
        sa.Column("last_offset", sa.Integer(), nullable=False),
        sa.Column("ignored_events", sa.Integer(), nullable=False),
        sa.Column("is_cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("crew", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("completion_tokens", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.Text(), nullable=True),
        sa.Column("is_compacted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["sessions.session_id"],
        ),
        sa.ForeignKeyConstraint(
            ["founder_id"],
            ["founders.founder_id"],
        ),
        sa.PrimaryKeyConstraint("run_id"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "runs_at_head",
        "runs",
        ["session_id"],
        unique=True,
        sqlite_where=sa.text("is_head = 1"),
    )
    op.create_index(
        "runs_by_lease",
        "runs",
        ["lease_until_ms"],
        unique=False,
        sqlite_where=sa.text("owner IS NOT NULL"),
    )
    op.create_index(
        "runs_by_owner",
        "runs",
        ["owner"],
        unique=False,
        sqlite_where=sa.text("owner IS NOT NULL"),
    )
    op.create_index(
        "runs_by_session", "runs", ["session_id", "created_seq"], unique=True
    )
    op.create_index(
        "runs_runnable",
        "runs",
        ["created_at", "run_id"],
        unique=False,
        sqlite_where=sa.text("state = 'queued' AND is_head = 1 AND owner IS NULL"),
    )
    op.create_index(
        "runs_to_compact",
        "runs",
        ["ended_at"],
        unique=False,
        sqlite_where=sa.text("is_compacted = 0"),
    )
    op.create_index(
        "runs_waiting",
        "runs",
        ["session_id", "created_seq"],
        unique=False,
        sqlite_where=sa.text("state = 'queued' AND is_head = 0"),
    )


def _create_messages() -> None:
    op.create_table(
        "messages",
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("founder_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
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
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["sessions.session_id"],
        ),
        sa.ForeignKeyConstraint(
            ["founder_id"],
            ["founders.founder_id"],
        ),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.run_id"],
        ),
        sa.PrimaryKeyConstraint("message_id"),
    )
    op.create_index("messages_by_run", "messages", ["run_id", "seq"], unique=False)
    op.create_index("messages_by_seq", "messages", ["session_id", "seq"], unique=True)


def _create_run_steps() -> None:
    op.create_table(
        "run_steps",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("step_id", sa.Text(), nullable=False),
        sa.Column("founder_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("has_spoken", sa.Boolean(), nullable=False),
        sa.Column("started_at", sa.Text(), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("output", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.run_id"],
        ),
        sa.ForeignKeyConstraint(
            ["founder_id"],
            ["founders.founder_id"],
        ),
        sa.PrimaryKeyConstraint("run_id", "step_id"),
    )


def _create_requests() -> None:
    op.create_table(
        "requests",
        sa.Column("founder_id", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("body_digest", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["founder_id"],
            ["founders.founder_id"],
        ),
        sa.PrimaryKeyConstraint("founder_id", "route", "request_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("requests_by_age", "requests", ["created_at"], unique=False)
    op.create_index("requests_by_session", "requests", ["session_id"], unique=False)
