"""What a founder can ask for, over the socket and over HTTP alike.

The HTTP body of a command is the same model without `type` and without the ids
that stand in the path. `request_id` is required but for PATCH and DELETE, which
may be repeated anyway.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from services.api_gateway.wire.base import (
    Identifier,
    MessageText,
    RequestId,
    Title,
    WireModel,
    refuse_control_text,
)
from services.api_gateway.wire.views import FeedbackValue

__all__ = [
    "BranchSession",
    "BranchSessionBody",
    "CancelRunBody",
    "Command",
    "CreateSession",
    "CreateSessionBody",
    "DeleteSession",
    "FeedbackBody",
    "RetryRunBody",
    "RunCancel",
    "RunRetry",
    "SendFeedback",
    "SendMessage",
    "SendMessageBody",
    "UpdateSession",
    "UpdateSessionBody",
]

Comment = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=2_000),
    AfterValidator(refuse_control_text),
]


class CreateSessionBody(WireModel):
    """Begin a session; the coach speaks first unless `opening` is false."""

    request_id: RequestId
    title: Title | None = None
    opening: bool = True


class UpdateSessionBody(WireModel):
    """Rename, archive or pin a session; what is left out stays."""

    request_id: RequestId | None = None
    title: Title | None = None
    archived: bool | None = None
    pinned: bool | None = None


class SendMessageBody(WireModel):
    """Say something to the coach."""

    request_id: RequestId
    text: MessageText


class BranchSessionBody(WireModel):
    """Go back to before a message of one's own and say something else."""

    request_id: RequestId
    message_id: Identifier
    text: MessageText


class CancelRunBody(WireModel):
    """Stop a run; what was written stays."""

    request_id: RequestId


class RetryRunBody(WireModel):
    """Run the session's last run again after it failed or was stopped."""

    request_id: RequestId


class FeedbackBody(WireModel):
    """Rate one of the coach's messages; `none` takes a rating back."""

    request_id: RequestId
    value: FeedbackValue
    comment: Comment | None = None


class CreateSession(CreateSessionBody):
    """`POST /v1/sessions`."""

    type: Literal["session.create"]


class UpdateSession(UpdateSessionBody):
    """`PATCH /v1/sessions/{session_id}`."""

    type: Literal["session.update"]
    request_id: RequestId
    session_id: Identifier


class DeleteSession(WireModel):
    """`DELETE /v1/sessions/{session_id}`: the session and its messages, for good."""

    type: Literal["session.delete"]
    request_id: RequestId
    session_id: Identifier


class BranchSession(BranchSessionBody):
    """`POST /v1/sessions/{session_id}/branches`."""

    type: Literal["session.branch"]
    session_id: Identifier


class SendMessage(SendMessageBody):
    """`POST /v1/sessions/{session_id}/messages`."""

    type: Literal["message.send"]
    session_id: Identifier


class RunCancel(CancelRunBody):
    """`POST /v1/runs/{run_id}/cancel`."""

    type: Literal["run.cancel"]
    run_id: Identifier


class RunRetry(RetryRunBody):
    """`POST /v1/runs/{run_id}/retry`."""

    type: Literal["run.retry"]
    run_id: Identifier


class SendFeedback(FeedbackBody):
    """`POST /v1/messages/{message_id}/feedback`."""

    type: Literal["message.feedback"]
    message_id: Identifier


Command = Annotated[
    CreateSession
    | UpdateSession
    | DeleteSession
    | BranchSession
    | SendMessage
    | RunCancel
    | RunRetry
    | SendFeedback,
    Field(discriminator="type"),
]
