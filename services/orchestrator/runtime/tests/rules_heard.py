"""Hears the guardrail rules applied in the task of a test."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.orchestrator.guardrails import RuleApplied, rule_observer

__all__ = ["hearing_rules"]


@contextmanager
def hearing_rules() -> Iterator[list[RuleApplied]]:
    """Collect what is applied inside the block."""
    heard: list[RuleApplied] = []
    token = rule_observer.set(heard.append)
    try:
        yield heard
    finally:
        rule_observer.reset(token)
