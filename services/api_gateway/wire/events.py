"""The events of the logs: one discriminated union, the source of the page's types.

Every event a client sees stands in a stream's log under a committed sequence
number; see docs/architecture/events.md.
"""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from services.api_gateway.wire.base import Identifier, ViewModel
from services.api_gateway.wire.views import (
    CrewRef,
    FeedbackValue,
    MessageStatus,
    MessageView,
    RunError,
    RunTrigger,
    SessionView,
    Suggestion,
)

__all__ = ["EVENT_TYPES", "TERMINAL_TYPES", "Event", "EventPage", "event_adapter"]


class Envelope(ViewModel):
    """What every event carries."""

    stream: str = Field(description="`session:<id>` or `founder:<id>`.")
    seq: int = Field(ge=1, description="Dense per stream, from 1.")
    ts: str = Field(description="RFC 3339, UTC, milliseconds.")
    run_id: Identifier | None = Field(
        default=None, description="The run it belongs to."
    )


class SessionData(ViewModel):
    """The session as it is after the event."""

    session: SessionView


class SessionDeletedData(ViewModel):
    """The session that is gone."""

    session_id: Identifier


class MessageAcceptedData(ViewModel):
    """A founder's message that was stored."""

    message_id: Identifier
    request_id: str
    text: str
    run_id: Identifier


class MessageCopiedData(ViewModel):
    """A message as it stands in the branch."""

    message: MessageView


class MessageQueuedData(ViewModel):
    """A message that waits for another run of the session."""

    message_id: Identifier
    position: int = Field(ge=1)


class RunCreatedData(ViewModel):
    """A run that will answer."""

    run_id: Identifier
    trigger: RunTrigger
    message_id: Identifier | None
    parent_run_id: Identifier | None


class RunQueuedData(ViewModel):
    """A run that waits for a place in the orchestrator."""

    position: int = Field(ge=1)


class StepStartedData(ViewModel):
    """A task of the crew began."""

    step_id: str
    task: str
    agent: str
    title: str


class StepFinishedData(ViewModel):
    """A task of the crew ended."""

    step_id: str
    status: Literal["complete", "failed", "cancelled"]
    duration_ms: int
    reused: bool


class ToolStartedData(ViewModel):
    """A tool was called."""

    tool_call_id: str
    step_id: str
    tool: str
    title: str


class ToolFinishedData(ViewModel):
    """A tool call ended."""

    tool_call_id: str
    status: Literal["complete", "failed", "cancelled"]
    duration_ms: int


class MessageStartedData(ViewModel):
    """The coach begins a message."""

    message_id: Identifier
    agent: str


class MessageDeltaData(ViewModel):
    """Text to append to the message."""

    message_id: Identifier
    text: str


class MessageFinishedData(ViewModel):
    """The message ended; what was shown stays, labelled."""

    message_id: Identifier
    status: MessageStatus
    length: int = Field(description="Code points of the whole text.")


class SuggestionsData(ViewModel):
    """Replies offered to the founder."""

    message_id: Identifier
    suggestions: list[Suggestion]


class MessageFeedbackData(ViewModel):
    """What the founder thinks of a reply."""

    message_id: Identifier
    value: FeedbackValue


class UsageData(ViewModel):
    """Tokens one model call of the run used."""

    model: str
    prompt_tokens: int
    completion_tokens: int


class RunFinishedData(ViewModel):
    """Nothing more to tell."""


class RunCancelledData(ViewModel):
    """Who or what stopped the run."""

    reason: str


class SessionCreated(Envelope):
    """Founder and session stream: a session began."""

    type: Literal["session.created"] = "session.created"
    data: SessionData


class SessionUpdated(Envelope):
    """Founder and session stream: renamed, archived, named or used."""

    type: Literal["session.updated"] = "session.updated"
    data: SessionData


class SessionDeleted(Envelope):
    """Founder stream: a session is gone, with its stream."""

    type: Literal["session.deleted"] = "session.deleted"
    data: SessionDeletedData


class MessageAccepted(Envelope):
    """The founder's message is stored."""

    type: Literal["message.accepted"] = "message.accepted"
    data: MessageAcceptedData


class MessageCopied(Envelope):
    """A branch begins with the messages it was given copies of."""

    type: Literal["message.copied"] = "message.copied"
    data: MessageCopiedData


class MessageQueued(Envelope):
    """The message waits for the session's active run."""

    type: Literal["message.queued"] = "message.queued"
    data: MessageQueuedData


class RunCreated(Envelope):
    """A run was created."""

    type: Literal["run.created"] = "run.created"
    data: RunCreatedData


class RunQueued(Envelope):
    """The run waits for admission."""

    type: Literal["run.queued"] = "run.queued"
    data: RunQueuedData


class RunStarted(Envelope):
    """The run has a crew and runs."""

    type: Literal["run.started"] = "run.started"
    data: CrewRef


class StepStarted(Envelope):
    """A task of the crew began."""

    type: Literal["step.started"] = "step.started"
    data: StepStartedData


class StepFinished(Envelope):
    """A task of the crew ended."""

    type: Literal["step.finished"] = "step.finished"
    data: StepFinishedData


class ToolStarted(Envelope):
    """A tool was called."""

    type: Literal["tool.started"] = "tool.started"
    data: ToolStartedData


class ToolFinished(Envelope):
    """A tool call ended."""

    type: Literal["tool.finished"] = "tool.finished"
    data: ToolFinishedData


class MessageStarted(Envelope):
    """The coach begins a message."""

    type: Literal["message.started"] = "message.started"
    data: MessageStartedData


class MessageDelta(Envelope):
    """The next piece of the coach's message."""

    type: Literal["message.delta"] = "message.delta"
    data: MessageDeltaData


class MessageFinished(Envelope):
    """A coach's message ended, or a retry took its place (`superseded`)."""

    type: Literal["message.finished"] = "message.finished"
    data: MessageFinishedData


class SuggestionsOffered(Envelope):
    """Replies offered to the founder."""

    type: Literal["suggestions"] = "suggestions"
    data: SuggestionsData


class MessageFeedback(Envelope):
    """The founder rated a reply."""

    type: Literal["message.feedback"] = "message.feedback"
    data: MessageFeedbackData


class UsageTold(Envelope):
    """Tokens one model call used."""

    type: Literal["usage"] = "usage"
    data: UsageData


class RunFinished(Envelope):
    """Terminal: the run ended well."""

    type: Literal["run.finished"] = "run.finished"
    data: RunFinishedData


class RunFailed(Envelope):
    """Terminal: the run failed."""

    type: Literal["run.failed"] = "run.failed"
    data: RunError


class RunCancelled(Envelope):
    """Terminal: the run was stopped."""

    type: Literal["run.cancelled"] = "run.cancelled"
    data: RunCancelledData


Event = Annotated[
    SessionCreated
    | SessionUpdated
    | SessionDeleted
    | MessageAccepted
    | MessageCopied
    | MessageQueued
    | RunCreated
    | RunQueued
    | RunStarted
    | StepStarted
    | StepFinished
    | ToolStarted
    | ToolFinished
    | MessageStarted
    | MessageDelta
    | MessageFinished
    | SuggestionsOffered
    | MessageFeedback
    | UsageTold
    | RunFinished
    | RunFailed
    | RunCancelled,
    Field(discriminator="type"),
]

event_adapter: TypeAdapter[Event] = TypeAdapter(Event)

TERMINAL_TYPES = frozenset({"run.finished", "run.failed", "run.cancelled"})

EVENT_TYPES = frozenset(event_adapter.json_schema()["discriminator"]["mapping"])


class EventPage(ViewModel):
    """A part of a stream's log."""

    events: list[Event]
    last_seq: int = Field(description="The stream's last sequence number.")
    epoch: str
