"""Any order of what founders, networks and machines do keeps every promise."""

import asyncio
import sys
from collections import Counter
from typing import Final

import pytest
from hypothesis.stateful import run_state_machine_as_test

from libs.testing.stack import Stack
from tests.fuzz.effort import EFFORTS, Effort
from tests.fuzz.founder_machine import FounderMachine
from tests.integration.proofs import verify_database

_EXAMPLES = 12
_STEPS = 30
_COMMANDS = (
    *("message.send", "message.feedback", "run.cancel", "run.retry"),
    *("session.update", "session.delete", "session.branch"),
)
_MUST_HAPPEN: Final = {
    *("create a session", "subscribe", "unsubscribe", "change one's mind", "repeat"),
    *("hello again", "nonsense", "drop", "let pass"),
    *_COMMANDS,
    *("ack of message.send", "ack of run.cancel", "ack of session.branch"),
    *("kill the gateway", "kill the orchestrator"),
    *("run.finished", "run.cancelled", "run.failed"),
    *("hello refused", "closed with 1006", "closed with 4400"),
}
_HAPPENS_TO_MANY: Final = {f"ack of {command}" for command in _COMMANDS}


@pytest.mark.timeout(600)  # so that a failure can be made small
@pytest.mark.parametrize("effort", EFFORTS)
def test_whatever_is_done_what_is_shown_is_stored_and_ends_once(
    stack: Stack, effort: Effort
) -> None:
    FounderMachine.stack = stack
    happened: Counter[str] = Counter()
    FounderMachine.happened = happened
    run_state_machine_as_test(
        FounderMachine, settings=effort.settings(_EXAMPLES, steps=_STEPS)
    )
    sys.stdout.write(f"{sorted(happened.items())}\n")
    due = _MUST_HAPPEN | (_HAPPENS_TO_MANY if effort is Effort.MANY else set())
    assert due <= {name for name, times in happened.items() if times}
    asyncio.run(verify_database(stack.database))
