"""The bounds of a run: the strictest of its policies, and what is used of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from libs.crewspec.compiled import (
    BlockedOutput,
    HiddenTextRule,
    InjectionRule,
    PolicyDocument,
    SecretRule,
)
from services.orchestrator.errors import OutputLimitError

__all__ = ["Budget", "strictest"]

_UNBOUNDED: Final = 2**62
_MOST_CHARACTERS_PER_TOKEN: Final = 8
"""A server may join tokens; no language packs more than this into one."""


def strictest(policies: Iterable[PolicyDocument]) -> PolicyDocument:
    """Combine policies: of each field, what allows least."""
    found = tuple(policies)
    if not found:
        return PolicyDocument(name="default", generation=0)
    return PolicyDocument(
        name="+".join(policy.name for policy in found),
        generation=max(policy.generation for policy in found),
        run_timeout_seconds=min(policy.run_timeout_seconds for policy in found),
        max_tool_calls=min(policy.max_tool_calls for policy in found),
        max_tool_argument_characters=min(
            policy.max_tool_argument_characters for policy in found
        ),
        max_tool_result_characters=min(
            policy.max_tool_result_characters for policy in found
        ),
        max_output_characters=min(policy.max_output_characters for policy in found),
        max_completion_tokens=_least(policy.max_completion_tokens for policy in found),
        max_call_tokens=_least(policy.max_call_tokens for policy in found),
        max_input_characters=_least(policy.max_input_characters for policy in found),
        hidden_text=max((policy.hidden_text for policy in found), key=_HIDDEN.index),
        secrets=max((policy.secrets for policy in found), key=_SECRETS.index),
        injections=max((policy.injections for policy in found), key=_INJECTIONS.index),
        blocked_output=frozenset[BlockedOutput]().union(
            *(policy.blocked_output for policy in found)
        ),
        denied_phrases=tuple(
            dict.fromkeys(
                phrase for policy in found for phrase in policy.denied_phrases
            )
        ),
    )


# From lenient to strict.
_HIDDEN: Final = (HiddenTextRule.KEEP, HiddenTextRule.REMOVE)
_SECRETS: Final = (SecretRule.KEEP, SecretRule.MASK)
_INJECTIONS: Final = (InjectionRule.IGNORE, InjectionRule.LOG, InjectionRule.REFUSE)


def _least(limits: Iterable[int | None]) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


@dataclass(slots=True)
class Budget:
    """What one run has used of its bounds.

    While text streams, a piece counts as one token at least, so no answer is cut
    before its limit; what the provider reports at the end of a call counts.
    """

    policy: PolicyDocument
    tool_calls: int = 0
    characters: int = 0
    tokens: int = 0
    _pieces: int = 0
    _most_characters: int = 0
    _most_pieces: int = 0
    _call_tokens: int = 0
    _is_cut: bool = False

    @property
    def has_tool_calls(self) -> bool:
        """Whether the run may still call a tool."""
        return self.tool_calls < self.policy.max_tool_calls

    def take_tool_calls(self, wanted: int) -> int:
        """Charge tool calls; returns how many of them may run."""
        allowed = min(wanted, self.policy.max_tool_calls - self.tool_calls)
        self.tool_calls += allowed
        return allowed

    def begin_call(self) -> None:
        """Prepare for a call of the model.

        Raises:
            OutputLimitError: The run has no tokens left.

        """
        policy = self.policy
        left = _UNBOUNDED
        if policy.max_completion_tokens is not None:
            left = policy.max_completion_tokens - self.tokens
        if left <= 0:
            raise self._too_many_tokens()
        left = min(left, policy.max_call_tokens or _UNBOUNDED)
        self._pieces = self._call_tokens = 0
        self._is_cut = False
        self._most_pieces = left
        self._most_characters = min(
            policy.max_output_characters,
            self.characters + left * _MOST_CHARACTERS_PER_TOKEN,
        )

    def most_tokens(self, at_most: int | None) -> int | None:
        """Tell how long the answer of the call that began may be."""
        if self._most_pieces >= _UNBOUNDED:
            return at_most
        return min(self._most_pieces, at_most or _UNBOUNDED)

    def take_text(self, characters: int) -> None:
        """Charge a piece of streamed text.

        Raises:
            OutputLimitError: The run wrote more than it may.

        """
        self.characters += characters
        self._pieces += 1
        if self.characters > self._most_characters or self._pieces > self._most_pieces:
            raise self._too_much()

    def note_usage(self, completion_tokens: int, finish_reason: str | None) -> None:
        """Note what the provider reported of the call that ends."""
        self._call_tokens = completion_tokens
        self._is_cut = finish_reason == "length"

    def end_call(self) -> None:
        """Settle a call that has ended.

        Raises:
            OutputLimitError: The provider cut the answer at its own limit.

        """
        self.tokens += max(self._call_tokens, self._pieces)
        if self._is_cut:
            raise OutputLimitError("the model reached the longest answer it may give")

    def _too_much(self) -> OutputLimitError:
        if self.characters > self.policy.max_output_characters:
            most = self.policy.max_output_characters
            return OutputLimitError(f"the run wrote more than {most} characters")
        return self._too_many_tokens()

    def _too_many_tokens(self) -> OutputLimitError:
        return OutputLimitError("the run used all the tokens it may")
