"""What the gateway refuses or cannot do, one class per cause."""

from libs.errors import ErrorKind, VentureBotsError

__all__ = [
    "CopyRefusedError",
    "CursorCompactedError",
    "FounderUnknownError",
    "InvalidCommandError",
    "LinkInvalidError",
    "MessageUnknownError",
    "NotBranchableError",
    "NotRatableError",
    "NotRetryableRunError",
    "OrchestratorUnavailableError",
    "OriginRefusedError",
    "PayloadTooLargeError",
    "QueueFullError",
    "RateLimitedError",
    "RequestIdReusedError",
    "RunInterruptedError",
    "RunLostError",
    "RunUnknownError",
    "SchemaTooNewError",
    "SessionBusyError",
    "SessionUnknownError",
    "StoreLockedError",
    "StoreUnavailableError",
    "StreamUnknownError",
    "TooManySocketsError",
    "UnsupportedMediaTypeError",
]


class InvalidCommandError(VentureBotsError):
    """The request is not one the gateway understands."""

    kind = ErrorKind.INVALID
    code = "invalid"


class PayloadTooLargeError(VentureBotsError):
    """The body is larger than any request needs."""

    kind = ErrorKind.INVALID
    code = "payload_too_large"


class UnsupportedMediaTypeError(VentureBotsError):
    """The body is not declared as JSON."""

    kind = ErrorKind.INVALID
    code = "unsupported_media_type"


class FounderUnknownError(VentureBotsError):
    """No valid founder token came with the request."""

    kind = ErrorKind.UNAUTHENTICATED
    code = "no_founder"


class OriginRefusedError(VentureBotsError):
    """A page of another origin tried to change something."""

    kind = ErrorKind.FORBIDDEN
    code = "origin_refused"


class SessionUnknownError(VentureBotsError):
    """The founder has no such session."""

    kind = ErrorKind.NOT_FOUND
    code = "session_unknown"


class MessageUnknownError(VentureBotsError):
    """The founder has no such message."""

    kind = ErrorKind.NOT_FOUND
    code = "message_unknown"


class RunUnknownError(VentureBotsError):
    """The founder has no such run."""

    kind = ErrorKind.NOT_FOUND
    code = "run_unknown"


class StreamUnknownError(VentureBotsError):
    """The founder has no such stream."""

    kind = ErrorKind.NOT_FOUND
    code = "stream_unknown"


class LinkInvalidError(VentureBotsError):
    """No such link; it was used or expired, or never was."""

    kind = ErrorKind.NOT_FOUND
    code = "link_invalid"


class RequestIdReusedError(VentureBotsError):
    """The request id came before with another body."""

    kind = ErrorKind.CONFLICT
    code = "request_id_reused"


class SessionBusyError(VentureBotsError):
    """Another run of the session is active and messages do not wait."""

    kind = ErrorKind.CONFLICT
    code = "session_busy"
    retryable = True


class QueueFullError(VentureBotsError):
    """As many messages wait in the session as may."""

    kind = ErrorKind.CONFLICT
    code = "queue_full"
    retryable = True


class NotRetryableRunError(VentureBotsError):
    """Only the session's last run can be retried, once it failed or was stopped."""

    kind = ErrorKind.CONFLICT
    code = "run_not_retryable"


class NotRatableError(VentureBotsError):
    """Only the coach's messages can be rated."""

    kind = ErrorKind.CONFLICT
    code = "message_not_ratable"


class NotBranchableError(VentureBotsError):
    """A branch begins at a message of the founder's own, of that session."""

    kind = ErrorKind.CONFLICT
    code = "message_not_branchable"


class CursorCompactedError(VentureBotsError):
    """The log no longer reaches back to the cursor; begin with a snapshot."""

    kind = ErrorKind.CONFLICT
    code = "cursor_compacted"


class RateLimitedError(VentureBotsError):
    """Too many requests of one kind."""

    kind = ErrorKind.EXHAUSTED
    code = "rate_limited"
    retryable = True


class TooManySocketsError(VentureBotsError):
    """The founder or the address has as many sockets open as may be."""

    kind = ErrorKind.EXHAUSTED
    code = "too_many_sockets"
    retryable = True


class StoreUnavailableError(VentureBotsError):
    """The store cannot take writes (full, read-only or failing) just now."""

    kind = ErrorKind.UNAVAILABLE
    code = "store_unavailable"
    retryable = True


class StoreLockedError(VentureBotsError):
    """Another gateway uses the database file."""

    kind = ErrorKind.PRECONDITION
    code = "store_locked"


class CopyRefusedError(VentureBotsError):
    """A copy of the database cannot be made, or cannot be used."""

    kind = ErrorKind.PRECONDITION
    code = "copy_refused"


class SchemaTooNewError(VentureBotsError):
    """The database was written by a newer version."""

    kind = ErrorKind.PRECONDITION
    code = "schema_too_new"


class RunLostError(VentureBotsError):
    """The process that executed the run is gone."""

    kind = ErrorKind.UNAVAILABLE
    code = "run_lost"
    retryable = True


class RunInterruptedError(VentureBotsError):
    """The gateway could not carry the run to its end."""

    code = "run_interrupted"
    retryable = True


class OrchestratorUnavailableError(VentureBotsError):
    """No orchestrator could take the run in time."""

    kind = ErrorKind.UNAVAILABLE
    code = "orchestrator_unavailable"
    retryable = True
