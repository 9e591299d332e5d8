"""What can go wrong between resources and those that run crews."""

from libs.errors import ErrorKind, VentureBotsError

__all__ = [
    "ApiConflictError",
    "ApiError",
    "ApiRefusedError",
    "ApiUnavailableError",
    "InvalidSubscriptionError",
    "NoNamespaceError",
    "NotLeadingError",
    "ObjectGoneError",
    "PortTakenError",
    "ReplacedError",
    "SlowReaderError",
    "WatchEndedError",
    "WorkEndedError",
]


class PortTakenError(VentureBotsError):
    """An address cannot be listened on."""

    kind = ErrorKind.UNAVAILABLE
    code = "port_taken"


class NoNamespaceError(VentureBotsError):
    """Nothing says in which namespace the operator is at home."""

    kind = ErrorKind.PRECONDITION
    code = "no_namespace"


class NotLeadingError(VentureBotsError):
    """This replica stands by, or no longer leads: it may not write or tell."""

    kind = ErrorKind.PRECONDITION
    code = "not_leading"
    retryable = True


class WorkEndedError(VentureBotsError):
    """A part of the process ended that should not: it must be started anew."""

    code = "work_ended"


class WatchEndedError(VentureBotsError):
    """Changes are no longer seen: the process must be started anew."""

    kind = ErrorKind.UNAVAILABLE
    code = "watch_ended"


class ApiError(VentureBotsError):
    """The API server did not do what it was asked."""

    kind = ErrorKind.UNAVAILABLE
    code = "api_failed"


class ApiUnavailableError(ApiError):
    """The API server cannot be reached, or asked to come back later."""

    code = "api_unavailable"
    retryable = True


class ApiConflictError(ApiError):
    """The object is not as it was known here, or is there already."""

    kind = ErrorKind.CONFLICT
    code = "api_conflict"
    retryable = True


class ObjectGoneError(ApiError):
    """There is no such object."""

    kind = ErrorKind.NOT_FOUND
    code = "object_gone"


class ApiRefusedError(ApiError):
    """The API server holds the request for wrong, or not permitted."""

    kind = ErrorKind.INVALID
    code = "api_refused"


class InvalidSubscriptionError(VentureBotsError):
    """An orchestrator did not begin with a subscription."""

    kind = ErrorKind.INVALID
    code = "invalid_subscription"


class SlowReaderError(VentureBotsError):
    """An orchestrator does not read, or does not answer, what it is told."""

    kind = ErrorKind.EXHAUSTED
    code = "slow_reader"
    retryable = True


class ReplacedError(VentureBotsError):
    """The same orchestrator opened another stream."""

    kind = ErrorKind.CONFLICT
    code = "replaced"
