"""Guardrail rules as they are applied: for metrics and logs, never with the text."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["GuardrailRule", "RuleApplied", "rule_observer"]


class GuardrailRule(StrEnum):
    """What was done."""

    HIDDEN_TEXT = "hidden_text"
    INJECTIONS = "injections"
    SECRETS = "secrets"
    OUTPUT = "output"
    TOOL_CALL = "tool_call"
    REPAIR = "repair"


@dataclass(frozen=True, slots=True)
class RuleApplied:
    """A rule had something to do: what kind of thing, where, and how often."""

    rule: GuardrailRule
    kind: str
    place: str
    count: int = 1


rule_observer: ContextVar[Callable[[RuleApplied], None] | None] = ContextVar(
    "rule_observer", default=None
)
"""Who hears of the rules applied in the run whose task this is."""
