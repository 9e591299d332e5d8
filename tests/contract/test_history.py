"""The orchestrator folds before the gateway has to leave turns out."""

from services.api_gateway.store_sql import run_work
from services.orchestrator.runtime import summary_limits


def test_turns_are_folded_before_the_gateway_cuts_them() -> None:
    """With room for the longest message and reply of one more turn."""
    turn_messages, turn_characters = 2, 8_000 + 8_000
    most = run_work.HISTORY_MESSAGES - turn_messages
    assert most >= summary_limits.MANY_MESSAGES
    most = run_work.HISTORY_CHARACTERS - turn_characters
    assert most >= summary_limits.MANY_CHARACTERS
