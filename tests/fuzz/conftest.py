"""One real stack for all generated tests, and a founder for each."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.testing.stack import Stack

pytest.register_assert_rewrite("tests.fuzz.founder_machine")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run the stack on a simulated coach that speaks quickly."""
    directory: Path = tmp_path_factory.mktemp("fuzzed")
    page = directory / "page"
    page.mkdir()
    (page / "index.html").write_text("<!doctype html><title>A page</title>")
    token = directory / "token"
    token.write_text("a token that nobody guesses")
    stack = Stack(
        directory,
        tokens_per_second=400,
        gateway_settings={
            "VB_GATEWAY_PAGE_DIRECTORY": str(page),
            "VB_GATEWAY_ORCHESTRATOR_TOKEN_FILE": str(token),
        },
        orchestrator_settings={
            "VB_ORCHESTRATOR_TOKEN_FILE": str(token),
            "VB_ORCHESTRATOR_SIMULATION_HAS_FAULTS": "true",
        },
    )
    asyncio.run(stack.start())
    try:
        yield stack
    finally:
        stack.stop()
