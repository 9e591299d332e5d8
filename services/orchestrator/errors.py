"""What can go wrong while a run is executed."""

from libs.errors import ErrorKind, VentureBotsError

__all__ = [
    "CrewStreamBrokenError",
    "CrewUnknownError",
    "DrainingError",
    "EventsDroppedError",
    "InputRefusedError",
    "InputTooLargeError",
    "InstanceMismatchError",
    "InvalidRunError",
    "LLMAddressRefusedError",
    "LLMBadOutputError",
    "LLMContextExceededError",
    "LLMError",
    "LLMRateLimitedError",
    "LLMTimeoutError",
    "LLMUnauthorizedError",
    "LLMUnavailableError",
    "NoCrewsError",
    "NotReadyError",
    "OutputBlockedError",
    "OutputInvalidError",
    "OutputLimitError",
    "OverloadedError",
    "PortTakenError",
    "RunFailedError",
    "RunTimeoutError",
    "RunUnknownError",
    "StepTimeoutError",
    "ToolLimitError",
    "ToolsStuckError",
]


class RunFailedError(VentureBotsError):
    """The run failed for a reason nobody foresaw."""

    code = "run_failed"
    retryable = True


class RunUnknownError(VentureBotsError):
    """This process never had the run, or no longer keeps its events."""

    kind = ErrorKind.NOT_FOUND
    code = "run_unknown"


class EventsDroppedError(VentureBotsError):
    """Events somebody asked for, or had not read yet, are no longer kept."""

    code = "events_dropped"


class InvalidRunError(VentureBotsError):
    """The request for a run makes no sense."""

    kind = ErrorKind.INVALID
    code = "invalid_run"


class PortTakenError(VentureBotsError):
    """An address cannot be listened on."""

    kind = ErrorKind.UNAVAILABLE
    code = "port_taken"


class NoCrewsError(VentureBotsError):
    """At the start there is no valid set of crews to serve."""

    kind = ErrorKind.PRECONDITION
    code = "no_crews"


class CrewStreamBrokenError(VentureBotsError):
    """The operator's stream does not keep to its protocol; it is dialled anew."""

    kind = ErrorKind.UNAVAILABLE
    code = "crew_stream_broken"
    retryable = True


class DrainingError(VentureBotsError):
    """The process is stopping and takes no new runs."""

    kind = ErrorKind.UNAVAILABLE
    code = "draining"
    retryable = True


class NotReadyError(VentureBotsError):
    """The process is still warming up."""

    kind = ErrorKind.UNAVAILABLE
    code = "not_ready"
    retryable = True


class InstanceMismatchError(VentureBotsError):
    """The run was meant for another process; nothing was executed."""

    kind = ErrorKind.PRECONDITION
    code = "instance_mismatch"
    retryable = True


class CrewUnknownError(VentureBotsError):
    """No crew in force has that name or answers to that trigger."""

    kind = ErrorKind.INVALID
    code = "crew_unknown"


class OverloadedError(VentureBotsError):
    """All places and the queue are taken, or the wait was too long."""

    kind = ErrorKind.EXHAUSTED
    code = "overloaded"
    retryable = True


class RunTimeoutError(VentureBotsError):
    """The run took longer than its deadline or policy allows."""

    code = "run_timeout"
    retryable = True


class StepTimeoutError(VentureBotsError):
    """A task took longer than it may."""

    code = "step_timeout"
    retryable = True


class ToolLimitError(VentureBotsError):
    """The run called tools more often than its policy allows."""

    code = "tool_limit"


class ToolsStuckError(VentureBotsError):
    """Too many tools hang to call another; the model goes on without."""

    kind = ErrorKind.EXHAUSTED
    code = "tools_stuck"
    retryable = True


class InputTooLargeError(VentureBotsError):
    """The founder's message is longer than its policy allows."""

    kind = ErrorKind.INVALID
    code = "payload_too_large"


class InputRefusedError(VentureBotsError):
    """The founder's message holds what its policy refuses."""

    kind = ErrorKind.INVALID
    code = "input_refused"


class OutputLimitError(VentureBotsError):
    """The reply grew beyond what its policy or its model allows."""

    code = "output_limit"


class OutputBlockedError(VentureBotsError):
    """The reply was about to say what its policy blocks.

    The same question would lead there again, so it is not retried.
    """

    code = "output_blocked"


class OutputInvalidError(VentureBotsError):
    """A step's answer does not fit its schema, after a repair too."""

    code = "output_invalid"
    retryable = True


class LLMError(VentureBotsError):
    """A model call failed."""

    kind = ErrorKind.UNAVAILABLE
    code = "llm_unavailable"
    retryable = True


class LLMUnauthorizedError(LLMError):
    """The provider refused the key."""

    code = "llm_unauthorized"
    retryable = False


class LLMRateLimitedError(LLMError):
    """The provider asked to slow down."""

    code = "llm_rate_limited"


class LLMTimeoutError(LLMError):
    """No first token, or no further token, in time."""

    code = "llm_timeout"


class LLMContextExceededError(LLMError):
    """The conversation does not fit the model's window."""

    code = "llm_context_exceeded"
    retryable = False


class LLMUnavailableError(LLMError):
    """The provider cannot be reached or failed."""


class LLMAddressRefusedError(LLMUnavailableError):
    """The endpoint leads where this process may not connect to."""

    retryable = False


class LLMBadOutputError(LLMError):
    """The provider sent something that is not an answer."""

    code = "llm_bad_output"
