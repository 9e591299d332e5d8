"""Model calls as they are measured: for metrics and traces, never for the founder."""

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

__all__ = ["ModelCalled", "model_observer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCalled:
    """A model call ended.

    `messages` and `output` are what was said, by reference; `step_id` is empty for
    a call outside any step; `error_code` is empty when the call went well and
    `cancelled` when it was stopped.
    """

    model: str
    provider: str
    request_model: str
    step_id: str
    began_ns: int
    duration_seconds: float
    first_text_seconds: float | None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish_reason: str = ""
    error_code: str = ""
    messages: Sequence[Mapping[str, Any]] = ()
    output: str = ""


model_observer: ContextVar[Callable[[ModelCalled], None] | None] = ContextVar(
    "model_observer", default=None
)
"""Who hears of the model calls of the run whose task this is."""
