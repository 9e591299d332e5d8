"""The port to everything the gateway keeps.

Each command method is one transaction: it recognises a repeated request, checks
the owner, decides, appends to the logs and remembers the answer. Methods that
write raise `StoreUnavailableError` when the commit failed; then nothing of it was
stored or published, unless the disk failed to confirm what it had written: the
events are then published before anything else is written, and a command repeated
under its id gets its first answer. A method given a founder treats another
founder's things as unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from services.api_gateway.fanout import LoggedEvent
from services.api_gateway.wire.frames import FounderSnapshot, SessionSnapshot
from services.api_gateway.wire.views import (
    Accepted,
    Branched,
    FeedbackValue,
    FounderView,
    MessagePage,
    Role,
    RunAccepted,
    RunError,
    RunTrigger,
    RunView,
    SearchPage,
    SessionPage,
    SessionView,
)

__all__ = [
    "ActiveRun",
    "Appended",
    "CancelDecision",
    "CommandKey",
    "DeletedSession",
    "DispatchPlace",
    "FinishedStep",
    "HeldRuns",
    "HistoryMessage",
    "LogPage",
    "NewSession",
    "RunProposal",
    "RunWork",
    "SessionResult",
    "Snapshot",
    "Store",
    "SummaryRow",
    "WhenBusy",
]


class WhenBusy(StrEnum):
    """What a message does while another run of the session is active."""

    WAIT = "wait"
    REFUSE = "refuse"
    INTERRUPT = "interrupt"


@dataclass(frozen=True, slots=True)
class CommandKey:
    """Who asks for what; `body_digest` is taken over the parsed body.

    `request_id` None: the command is not remembered (PATCH and DELETE).
    """

    founder_id: str
    route: str
    request_id: str | None
    body_digest: str


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session to create."""

    title: str | None
    has_opening: bool


@dataclass(frozen=True, slots=True)
class SessionResult:
    """A session as it is after the command."""

    session: SessionView
    seq: int
    run_id: str | None = None
    is_repeat: bool = False


@dataclass(frozen=True, slots=True)
class DeletedSession:
    """A session that is gone and the runs that have to be stopped."""

    session_id: str
    founder_seq: int
    active_runs: tuple["ActiveRun", ...] = ()


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """A run that was dispatched and has not ended, as far as the store knows."""

    run_id: str
    session_id: str
    address: str
    instance_id: str
    last_offset: int
    is_cancel_requested: bool


@dataclass(frozen=True, slots=True)
class HeldRuns:
    """What an owner holds: dispatched runs, and the ids of claims alone."""

    dispatched: tuple[ActiveRun, ...]
    undispatched: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CancelDecision:
    """What a cancel led to; `active` is set when an orchestrator has to be told."""

    accepted: RunAccepted
    active: ActiveRun | None = None


@dataclass(frozen=True, slots=True)
class HistoryMessage:
    """An earlier message; `seq` is its turn's place, which both its parts share."""

    role: Role
    text: str
    seq: int


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """Turns up to a place folded into prose."""

    text: str
    upto_seq: int


@dataclass(frozen=True, slots=True)
class FinishedStep:
    """A step an earlier attempt finished."""

    task: str
    output: str


@dataclass(frozen=True, slots=True)
class DispatchPlace:
    """The process that executes a run."""

    address: str
    instance_id: str


@dataclass(frozen=True, slots=True)
class RunWork:
    """A claimed run with all an orchestrator needs to execute it.

    `backlog` holds the oldest turns no summary covers when `history` has no room
    for them; turns between the two are missing.
    """

    run_id: str
    session_id: str
    founder_id: str
    trigger: RunTrigger
    message_id: str | None
    text: str | None
    created_at: str
    history: tuple[HistoryMessage, ...] = ()
    backlog: tuple[HistoryMessage, ...] = ()
    summary: SummaryRow | None = None
    finished_steps: tuple[FinishedStep, ...] = ()
    place: DispatchPlace | None = None


@dataclass(frozen=True, slots=True)
class RunProposal:
    """An event an orchestrator proposes for a run's session stream.

    `type` and `data` are those of `wire.events`, and `summary.updated`, which is
    kept and never shown; `output` of a step.finished is kept for a retry and never
    shown; `task` names the step's task.
    """

    offset: int
    type: str
    data: dict[str, Any]
    output: str | None = None
    task: str | None = None


@dataclass(frozen=True, slots=True)
class Appended:
    """What appending led to.

    `is_over`: the run has its terminal event (or is unknown), so nothing more will
    be taken.
    """

    last_offset: int
    is_over: bool
    has_runnable: bool = False


@dataclass(frozen=True, slots=True)
class LogPage:
    """Committed events after a cursor, oldest first."""

    events: tuple[LoggedEvent, ...]
    last_seq: int
    compacted_through: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A stream's state at `seq`, taken in one read."""

    stream: str
    seq: int
    data: SessionSnapshot | FounderSnapshot


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """Whether writes go through."""

    is_writable: bool
    schema: str
    detail: str = ""
    queue_depth: int = 0
    counters: dict[str, int] = field(default_factory=dict)


class Store(Protocol):
    """Everything the gateway keeps, behind one port."""

    @property
    def epoch(self) -> str:
        """Identifies this life of the database; see docs/architecture/events.md."""

    async def aclose(self) -> None:
        """Finish what was accepted, mark the shutdown as clean and close."""

    async def status(self) -> StoreStatus:
        """Tell whether a write goes through now (it tries one)."""

    # Founders

    async def create_founder(self, token_hash: str) -> FounderView:
        """Store a new founder under the hash of their token."""

    async def founder_by_token(self, token_hash: str) -> FounderView | None:
        """Find a founder by the hash of their token."""

    async def create_link(
        self, key: CommandKey, link_hash: str, *, lifetime_seconds: int
    ) -> str:
        """Store the hash of a link to this founder; returns when it expires.

        Of a founder's links only a few are live; one more ends the oldest.
        """

    async def redeem_link(
        self, link_hash: str, *, request_id: str, token_hash: str
    ) -> FounderView:
        """Use a link up and store one more token of its founder under its hash.

        The request that used it may come again. Raises `LinkInvalidError`.
        """

    # Commands

    async def create_session(self, key: CommandKey, new: NewSession) -> SessionResult:
        """Create a session and, unless told otherwise, its opening run."""

    async def update_session(
        self,
        key: CommandKey,
        session_id: str,
        *,
        title: str | None,
        is_archived: bool | None,
        is_pinned: bool | None = None,
    ) -> SessionResult:
        """Rename, archive or pin."""

    async def delete_session(self, key: CommandKey, session_id: str) -> DeletedSession:
        """Delete a session, its messages, runs and stream; tell the founder stream."""

    async def accept_message(
        self, key: CommandKey, session_id: str, text: str, when_busy: WhenBusy
    ) -> Accepted:
        """Store a founder's message (durably) and the run that will answer it.

        Raises `SessionBusyError` or `QueueFullError` when it may not wait. The
        first message names an untitled session. With `WhenBusy.INTERRUPT` the
        caller cancels the active run itself.
        """

    async def branch_session(
        self, key: CommandKey, session_id: str, message_id: str, text: str
    ) -> Branched:
        """Create a session that begins with a copy of what was said before a message.

        Then the text is stored in it as the founder's message, with its run. Raises
        `MessageUnknownError`, `NotBranchableError`, and `SessionBusyError` while the
        coach writes what would have to be copied.
        """

    async def retry_run(self, key: CommandKey, run_id: str) -> RunAccepted:
        """Create the run that tries again; its id is derived from its parent.

        The parent's replies become `superseded`. Raises `NotRetryableRunError`
        unless it is the session's last run and failed or was cancelled; the same
        retry asked twice gives the same run.
        """

    async def cancel_run(
        self, key: CommandKey, run_id: str, reason: str = "founder"
    ) -> CancelDecision:
        """End a waiting run at once; mark one that was dispatched as to be stopped.

        A run that is over stays as it is.
        """

    async def rate_message(
        self,
        key: CommandKey,
        message_id: str,
        value: FeedbackValue,
        comment: str | None,
    ) -> int:
        """Keep what the founder thinks of a reply; returns the event's seq."""

    # Reads

    async def sessions(
        self,
        founder_id: str,
        *,
        cursor: str | None,
        limit: int,
        is_archived: bool,
        title_query: str | None,
    ) -> SessionPage:
        """Page through the founder's sessions, pinned first, then by use (keyset)."""

    async def session(self, founder_id: str, session_id: str) -> SessionView:
        """One session."""

    async def messages(
        self,
        founder_id: str,
        session_id: str,
        *,
        before_seq: int | None = None,
        around_seq: int | None = None,
        after_seq: int | None = None,
        limit: int,
    ) -> MessagePage:
        """So many messages before, around or after a seq, oldest first.

        At most one seq is given; without one it is the last messages. Around a
        message stand as many older as newer ones, as far as there are any.
        """

    async def search(
        self, founder_id: str, *, query: str, cursor: str | None, limit: int
    ) -> SearchPage:
        """Titles and messages of the founder with these words, the newest first.

        Words are matched by their beginning, without case and diacritics; whatever
        else a query holds means nothing.
        """

    async def run(self, founder_id: str, run_id: str) -> RunView:
        """One run."""

    # Logs

    async def owns_stream(self, founder_id: str, stream: str) -> bool:
        """Whether the stream exists and is the founder's."""

    async def log_page(self, stream: str, after_seq: int, limit: int) -> LogPage:
        """Events after a cursor; `compacted_through` tells whether it is too old.

        An unknown stream gives no events and `last_seq` 0.
        """

    async def snapshot(self, stream: str) -> Snapshot:
        """The stream's state now; raises `StreamUnknownError`."""

    # Runs

    async def claim_runnable(
        self, owner: str, limit: int, places: Sequence[DispatchPlace] = ()
    ) -> list[RunWork]:
        """Claim waiting runs that are next in their session, oldest first.

        A claim is a lease of `owner`; it is renewed by `renew_leases`. The dispatch
        of each run to its place, in the order of `places`, is committed with it;
        a run beyond them is only claimed, `record_dispatch` comes later.
        """

    async def waiting_runs(self) -> int:
        """Count the runs that wait for another of their session."""

    async def record_dispatch(self, run_id: str, place: DispatchPlace) -> bool:
        """Commit where the run is about to be executed; False: it is over."""

    async def append_run_events(
        self, run_id: str, proposals: Sequence[RunProposal]
    ) -> Appended:
        """Decide and append what an orchestrator proposed.

        Offsets that were seen are skipped. Message texts, run and step rows are
        kept in step in the same transaction; a terminal event first ends what is
        still open and then lets the session's next run become runnable.
        """

    async def fail_run(self, run_id: str, error: RunError) -> Appended:
        """End a run that can go no further with one typed terminal event."""

    async def end_cancelled_run(self, run_id: str, reason: str) -> Appended:
        """End a run that was told to stop and whose orchestrator is gone."""

    async def renew_leases(self, owner: str) -> HeldRuns:
        """Say that the owner is alive; returns what it holds.

        A claim may have been stored although its commit was told to have failed:
        the owner finds such runs here.
        """

    async def release_claims(self, owner: str, run_ids: Sequence[str]) -> None:
        """Let runs be claimed again that the owner claimed and never dispatched."""

    async def adopt_runs(self, owner: str) -> list[ActiveRun]:
        """Take over dispatched runs whose lease is another's and has ended.

        Claimed runs that were never dispatched become claimable again.
        """

    # Upkeep

    async def compact(self, *, older_than_seconds: int, limit: int) -> int:
        """Drop deltas of ended messages; returns how many events went."""

    async def forget_requests(self, *, older_than_seconds: int) -> int:
        """Drop remembered answers; returns how many."""
