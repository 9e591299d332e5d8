"""The tables; every row has an owner, so that nothing is read across founders.

Tables of short rows are kept in the order of their key; those that hold text of any
length are ordinary ones. Sessions and messages have a `number` besides their id: the
order in which they came, and their place in the search index.
"""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)

__all__ = [
    "SEARCH_INDEX",
    "events",
    "founders",
    "links",
    "messages",
    "meta",
    "metadata",
    "requests",
    "run_steps",
    "runs",
    "sessions",
    "streams",
    "tokens",
]

metadata = MetaData()


def _owner(*, is_key: bool = False) -> Column[str]:
    return Column(
        "founder_id",
        Text,
        ForeignKey("founders.founder_id"),
        primary_key=is_key,
        nullable=False,
    )


meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

founders = Table(
    "founders",
    metadata,
    Column("founder_id", Text, primary_key=True),
    Column("created_at", Text, nullable=False),
    sqlite_with_rowid=False,
)

tokens = Table(
    "tokens",
    metadata,
    Column("token_hash", Text, primary_key=True),
    _owner(),
    Column("created_at", Text, nullable=False),
    sqlite_with_rowid=False,
)

links = Table(
    "links",
    metadata,
    Column("link_hash", Text, primary_key=True),
    _owner(),
    Column("expires_at_ms", Integer, nullable=False),
    # The request that used it; that one may come again.
    Column("redeemed_by", Text),
    sqlite_with_rowid=False,
)
Index("links_by_founder", links.c.founder_id, links.c.expires_at_ms)
Index("links_by_expiry", links.c.expires_at_ms)

sessions = Table(
    "sessions",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("session_id", Text, nullable=False, unique=True),
    _owner(),
    Column("title", Text, nullable=False),
    Column("title_folded", Text, nullable=False),
    Column("is_archived", Boolean, nullable=False),
    Column("is_pinned", Boolean, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    # Where it was branched off, for as long as that session exists.
    Column("branched_from_session", Text),
    Column("branched_from_message", Text),
    Column("branched_left_out", Integer),
    Column("summary_text", Text),
    Column("summary_upto_seq", Integer),
)
Index(
    "sessions_by_use",
    sessions.c.founder_id,
    sessions.c.is_archived,
    sessions.c.is_pinned.desc(),
    sessions.c.updated_at.desc(),
    sessions.c.session_id.desc(),
)
Index(
    "sessions_by_origin",
    sessions.c.branched_from_session,
    sqlite_where=text("branched_from_session IS NOT NULL"),
)

streams = Table(
    "streams",
    metadata,
    Column("stream", Text, primary_key=True),
    _owner(),
    Column("kind", Text, nullable=False),
    Column("last_seq", Integer, nullable=False),
    Column("compacted_through", Integer, nullable=False),
    sqlite_with_rowid=False,
)
Index(
    "streams_of_founders_by_length",
    text("last_seq - compacted_through"),
    _table=streams,
    sqlite_where=text("kind = 'founder'"),
)

events = Table(
    "events",
    metadata,
    Column("stream", Text, ForeignKey("streams.stream"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("ts", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("run_id", Text),
    Column("run_offset", Integer),
    Column("data", Text, nullable=False),
    sqlite_with_rowid=False,
)
Index(
    "events_by_run_offset",
    events.c.run_id,
    events.c.run_offset,
    unique=True,
    sqlite_where=events.c.run_offset.is_not(None),
)

messages = Table(
    "messages",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("message_id", Text, nullable=False, unique=True),
    Column("session_id", Text, ForeignKey("sessions.session_id"), nullable=False),
    _owner(),
    # None: copied from another session when this one was branched off.
    Column("run_id", Text, ForeignKey("runs.run_id")),
    Column("role", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("request_id", Text),
    Column("agent", Text),
    Column("suggestions", Text, nullable=False),
    Column("feedback", Text, nullable=False),
    Column("feedback_comment", Text),
    Column("created_at", Text, nullable=False),
    Column("finished_at", Text),
)
Index("messages_by_seq", messages.c.session_id, messages.c.seq, unique=True)
Index("messages_by_run", messages.c.run_id, messages.c.seq)
Index(
    "messages_copied",
    messages.c.session_id,
    messages.c.seq,
    sqlite_where=text("run_id IS NULL"),
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("session_id", Text, ForeignKey("sessions.session_id"), nullable=False),
    _owner(),
    Column("trigger", Text, nullable=False),
    Column("message_id", Text),
    Column("parent_run_id", Text),
    Column("state", Text, nullable=False),
    # The seq of run.created: the order of the session's runs.
    Column("created_seq", Integer, nullable=False),
    # The one run of the session that may be executed now.
    Column("is_head", Boolean, nullable=False),
    Column("owner", Text),
    Column("lease_until_ms", Integer, nullable=False),
    Column("address", Text),
    Column("instance_id", Text),
    Column("last_offset", Integer, nullable=False),
    # Proposals left out of the log: summaries, and what made no sense.
    Column("ignored_events", Integer, nullable=False),
    Column("is_cancel_requested", Boolean, nullable=False),
    Column("crew", Text),
    Column("error", Text),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("started_at", Text),
    Column("ended_at", Text),
    Column("is_compacted", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
Index("runs_by_session", runs.c.session_id, runs.c.created_seq, unique=True)
Index(
    "runs_at_head",
    runs.c.session_id,
    unique=True,
    sqlite_where=text("is_head = 1"),
)
Index(
    "runs_waiting",
    runs.c.session_id,
    runs.c.created_seq,
    sqlite_where=text("state = 'queued' AND is_head = 0"),
)
Index(
    "runs_runnable",
    runs.c.created_at,
    runs.c.run_id,
    sqlite_where=text("state = 'queued' AND is_head = 1 AND owner IS NULL"),
)
Index("runs_by_owner", runs.c.owner, sqlite_where=text("owner IS NOT NULL"))
Index("runs_by_lease", runs.c.lease_until_ms, sqlite_where=text("owner IS NOT NULL"))
Index(
    "runs_to_compact",
    runs.c.ended_at,
    sqlite_where=text("is_compacted = 0"),
)

run_steps = Table(
    "run_steps",
    metadata,
    Column("run_id", Text, ForeignKey("runs.run_id"), primary_key=True),
    Column("step_id", Text, primary_key=True),
    _owner(),
    Column("seq", Integer, nullable=False),
    Column("task", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("status", Text, nullable=False),
    # A message began in it: its words are said again when the run is retried.
    Column("has_spoken", Boolean, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("duration_ms", Integer),
    Column("output", Text),
)

requests = Table(
    "requests",
    metadata,
    _owner(is_key=True),
    Column("route", Text, primary_key=True),
    Column("request_id", Text, primary_key=True),
    Column("body_digest", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    # The first answer; empty once the session it belonged to is deleted.
    Column("result", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    sqlite_with_rowid=False,
)
Index("requests_by_session", requests.c.session_id)
Index("requests_by_age", requests.c.created_at)

SEARCH_INDEX = "search_index"
"""The words of messages and titles, by `number`: a virtual table, so no `Table`."""
