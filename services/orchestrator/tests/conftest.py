"""An orchestrator on real sockets with a scripted engine."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from services.orchestrator.app import Orchestrator, create_orchestrator
from services.orchestrator.config import Config
from services.orchestrator.engine import CrewEngine
from services.orchestrator.tests.caller import Caller
from services.orchestrator.tests.crews import write_documents
from services.orchestrator.tests.scripted_engine import ScriptedEngine

Serve = Callable[..., Awaitable[tuple[Orchestrator, Caller]]]
"""Starts an orchestrator with an engine and settings; it is stopped at the end."""


@pytest.fixture
def engine() -> ScriptedEngine:
    """An engine that says hello unless the test gives it another script."""
    return ScriptedEngine()


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """The file with the crew documents that are served."""
    return write_documents(tmp_path)


@pytest.fixture
async def serve(
    documents: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Serve]:
    """Start orchestrators and callers."""
    for name in [name for name in os.environ if name.startswith("VB_")]:
        monkeypatch.delenv(name)
    async with AsyncExitStack() as stack:

        async def start(
            engine: CrewEngine, **settings: object
        ) -> tuple[Orchestrator, Caller]:
            config = Config.model_validate(
                {
                    "port": 0,
                    "metrics_port": 0,
                    "config_directory": documents.parent,
                    **settings,
                }
            )
            orchestrator = create_orchestrator(config, make_engine=lambda _: engine)
            await stack.enter_async_context(orchestrator)
            caller = Caller(f"127.0.0.1:{orchestrator.port}", config.token_file)
            stack.push_async_callback(caller.aclose)
            return orchestrator, caller

        yield start
