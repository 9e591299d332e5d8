"""What a model may read: bounded, visible, without secrets.

The founder's own message stays as it is stored; these rules make the copy that is
sent to a model, of the history and the summary too, and of what tools return.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from libs.crewspec.compiled import (
    HiddenTextRule,
    InjectionRule,
    PolicyDocument,
    SecretRule,
)
from services.orchestrator.engine import HistoryMessage, RunPlan
from services.orchestrator.errors import InputRefusedError, InputTooLargeError
from services.orchestrator.guardrails import GuardrailRule, RuleApplied, rule_observer
from services.orchestrator.runtime.policies.hidden_text import remove_hidden_text
from services.orchestrator.runtime.policies.injection import find_injections
from services.orchestrator.runtime.policies.secrets import mask_secrets

__all__ = ["CleanTexts", "InputRules"]

_REMEMBERED: Final = 20_000


@dataclass(slots=True)
class CleanTexts:
    """Hashes of texts in which nothing was found, shared by the runs of a process.

    A talk is read again with every message; only what is new in it is searched.
    """

    _known: dict[int, None] = field(default_factory=dict)

    def __contains__(self, text: str) -> bool:
        return hash(text) in self._known

    def add(self, text: str) -> None:
        """Remember a text; the oldest is forgotten."""
        if len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[hash(text)] = None


class InputRules:
    """The rules of one run's policy; its observer hears what was done."""

    def __init__(self, policy: PolicyDocument, clean_texts: CleanTexts) -> None:
        self._policy = policy
        self._removes_hidden_text = policy.hidden_text is HiddenTextRule.REMOVE
        self._masks_secrets = policy.secrets is SecretRule.MASK
        self._clean_texts = clean_texts

    def apply(self, plan: RunPlan) -> RunPlan:
        """Make the plan whose texts a model may read.

        Raises:
            InputTooLargeError: The founder's message is longer than it may be.
            InputRefusedError: It holds orders to the model, which are refused.

        """
        message = plan.message
        if message is not None:
            message = self._apply_to_message(message)
        if not (self._removes_hidden_text or self._masks_secrets):
            return plan
        # What was said before has been counted when it was new.
        return replace(
            plan,
            message=message,
            history=self._cleaned_talk(plan.history),
            backlog=self._cleaned_talk(plan.backlog),
            summary=None if plan.summary is None else self._cleaned(plan.summary),
        )

    def _cleaned_talk(
        self, talk: Iterable[HistoryMessage]
    ) -> tuple[HistoryMessage, ...]:
        return tuple(
            said
            if said.text in self._clean_texts
            else replace(said, text=self._cleaned(said.text))
            for said in talk
        )

    def apply_to_result(self, text: str) -> str:
        """Make the copy of a tool's result that a model may read."""
        most = self._policy.max_tool_result_characters
        if len(text) > most:
            text = f"{text[:most]}\n(cut: {len(text) - most} more characters)"
        self._note_injections(text, "tool")
        return self._cleaned(text, "tool")

    def _apply_to_message(self, text: str) -> str:
        most = self._policy.max_input_characters
        if most is not None and len(text) > most:
            raise InputTooLargeError(f"a message may have {most} characters at most")
        text = self._cleaned(text, "message")
        found = self._note_injections(text, "message")
        if found and self._policy.injections is InjectionRule.REFUSE:
            raise InputRefusedError("the message reads like orders to the model")
        return text

    def _note_injections(self, text: str, place: str) -> tuple[str, ...]:
        if self._policy.injections is InjectionRule.IGNORE:
            return ()
        found = find_injections(text)
        self._note(GuardrailRule.INJECTIONS, ((kind, 1) for kind in found), place)
        return found

    def _cleaned(self, text: str, place: str | None = None) -> str:
        if text in self._clean_texts:
            return text
        cleaned, removed = text, 0
        if self._removes_hidden_text:
            # First: a secret may be hidden between characters nobody sees.
            cleaned, removed = remove_hidden_text(cleaned)
        if removed:
            self._note(GuardrailRule.HIDDEN_TEXT, [("characters", removed)], place)
        if self._masks_secrets:
            cleaned, masked = mask_secrets(cleaned)
            self._note(GuardrailRule.SECRETS, masked.items(), place)
        if cleaned == text and self._removes_hidden_text and self._masks_secrets:
            self._clean_texts.add(text)
        return cleaned

    def _note(
        self,
        rule: GuardrailRule,
        found: Iterable[tuple[str, int]],
        place: str | None,
    ) -> None:
        observe = rule_observer.get()
        if place is None or observe is None:
            return
        for kind, count in found:
            observe(RuleApplied(rule, kind, place, count))
