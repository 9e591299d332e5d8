"""What the gateway shows: founders, sessions, messages and runs."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from services.api_gateway.wire.base import Identifier, MessageText, ViewModel

__all__ = [
    "Accepted",
    "Branched",
    "BranchedFrom",
    "CrewRef",
    "FeedbackValue",
    "FounderLink",
    "FounderView",
    "MessageHit",
    "MessagePage",
    "MessageStatus",
    "MessageView",
    "Role",
    "RunAccepted",
    "RunError",
    "RunState",
    "RunTrigger",
    "RunView",
    "SearchHit",
    "SearchPage",
    "SessionPage",
    "SessionView",
    "SnippetPart",
    "StepView",
    "Suggestion",
    "SuggestionCommand",
]


class Role(StrEnum):
    """Who speaks."""

    FOUNDER = "founder"
    COACH = "coach"


class MessageStatus(StrEnum):
    """Where a message stands; `streaming` is the only one that is not final."""

    STREAMING = "streaming"
    COMPLETE = "complete"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    SUPERSEDED = "superseded"


class RunState(StrEnum):
    """Where a run stands.

    `queued` waits in the gateway, `dispatched` was handed to an orchestrator (it
    may wait there for admission), `running` has started; the others are final.
    """

    QUEUED = "queued"
    DISPATCHED = "dispatched"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen in the run."""
        return self in {RunState.FINISHED, RunState.FAILED, RunState.CANCELLED}


class RunTrigger(StrEnum):
    """What made a run necessary."""

    OPENING = "opening"
    MESSAGE = "message"


class FeedbackValue(StrEnum):
    """What a founder thinks of a reply."""

    UP = "up"
    DOWN = "down"
    NONE = "none"


class SuggestionCommand(ViewModel):
    """The command a suggestion's button sends."""

    type: Literal["message.send"] = "message.send"
    text: MessageText


class Suggestion(ViewModel):
    """A reply offered to the founder."""

    label: Annotated[str, Field(min_length=1, max_length=80)]
    command: SuggestionCommand


class FounderView(ViewModel):
    """The founder who asks."""

    founder_id: Identifier
    created_at: str
    stream: str = Field(description="The founder's own stream, `founder:<id>`.")


class FounderLink(ViewModel):
    """A link that opens this founder on another device, once."""

    url: str = Field(description="Its secret stands behind the `#`.")
    expires_at: str


class BranchedFrom(ViewModel):
    """The message a session was branched off at, and the session it stands in."""

    session_id: Identifier
    message_id: Identifier
    left_out: int = Field(description="Older messages that were not copied.")


class SessionView(ViewModel):
    """One conversation."""

    session_id: Identifier
    title: str = Field(description="Empty until the first message names it.")
    archived: bool
    pinned: bool = False
    branched_from: BranchedFrom | None = Field(
        default=None, description="Absent once that session was deleted."
    )
    created_at: str
    updated_at: str = Field(description="When the last message was accepted.")
    stream: str = Field(description="The session's stream, `session:<id>`.")
    last_seq: int


class SessionPage(ViewModel):
    """Sessions, pinned ones first, then the last used."""

    sessions: list[SessionView]
    next_cursor: str | None = Field(description="Absent on the last page.")


class MessageView(ViewModel):
    """One message as it stands."""

    message_id: Identifier
    session_id: Identifier
    role: Role
    text: str
    status: MessageStatus
    seq: int = Field(
        description="Of `message.accepted`, `message.started` or `message.copied`."
    )
    run_id: Identifier | None = Field(description="Absent in a copy.")
    request_id: str | None = Field(description="A founder's message: the client's id.")
    agent: str | None = Field(description="A coach's message: who spoke.")
    suggestions: list[Suggestion]
    feedback: FeedbackValue
    created_at: str
    finished_at: str | None


class MessagePage(ViewModel):
    """Messages in the order of the talk, oldest first."""

    messages: list[MessageView]
    has_more: bool = Field(description="Whether older messages exist.")
    has_newer: bool = Field(description="Whether newer messages exist.")
    last_seq: int = Field(description="Everything up to here is in the page's view.")
    epoch: str


class SnippetPart(ViewModel):
    """A part of a snippet; the parts in order are its text."""

    text: str
    is_match: bool


class MessageHit(ViewModel):
    """A message in which all words were found."""

    message_id: Identifier
    seq: int
    role: Role
    created_at: str
    snippet: list[SnippetPart]


class SearchHit(ViewModel):
    """Something that was found: a message, or a session by its title."""

    session: SessionView
    message: MessageHit | None = Field(description="Absent: the title was found.")


class SearchPage(ViewModel):
    """What was found: titles, then messages, the newest first."""

    hits: list[SearchHit]
    next_cursor: str | None = Field(description="Absent on the last page.")


class RunError(ViewModel):
    """Why a run failed and what to do."""

    code: str
    detail: str
    retryable: bool
    retry_after_ms: int | None = None


class CrewRef(ViewModel):
    """The crew a run was pinned to."""

    crew: str
    digest: str
    generations: dict[str, int]


class StepView(ViewModel):
    """One step of a run as it stands."""

    step_id: str
    task: str
    agent: str
    title: str
    status: Literal["running", "complete", "failed", "cancelled"]
    started_at: str
    duration_ms: int | None


class RunView(ViewModel):
    """One run as it stands."""

    run_id: Identifier
    session_id: Identifier
    trigger: RunTrigger
    message_id: Identifier | None = Field(description="The message that triggered it.")
    parent_run_id: Identifier | None = Field(description="The run it retries.")
    state: RunState
    position: int | None = Field(description="Place in the queue while it waits.")
    crew: CrewRef | None
    error: RunError | None
    prompt_tokens: int
    completion_tokens: int
    steps: list[StepView]
    created_at: str
    started_at: str | None
    ended_at: str | None


class Accepted(ViewModel):
    """A stored message and the run that will answer it."""

    message_id: Identifier
    seq: int
    run_id: Identifier
    position: int | None = Field(
        default=None, description="Place in the session's queue when it waits."
    )


class Branched(ViewModel):
    """A session that was branched off, and what was said in it at once."""

    session: SessionView
    message_id: Identifier
    seq: int
    run_id: Identifier


class RunAccepted(ViewModel):
    """A run that was created or told to stop."""

    run_id: Identifier
    state: RunState
    seq: int = Field(description="The session's last sequence number then.")
