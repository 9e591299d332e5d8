"""The engine, new for each test; CrewAI is imported once."""

import threading
from collections.abc import AsyncIterator, Iterator, Mapping

import pytest

from services.agents.registry import installed_tools
from services.agents.tool import AgentTool, ToolArguments
from services.orchestrator.engine import CrewEngine
from services.orchestrator.runtime import crew_engine


@pytest.fixture
async def engine() -> AsyncIterator[CrewEngine]:
    """The engine on CrewAI with faults allowed."""
    engine = crew_engine.create_engine(salt="tests", has_faults=True)
    yield engine
    await engine.aclose()


class Meet(ToolArguments):
    """Whom to wait as."""

    name: str


@pytest.fixture
def slow_tools(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Barrier]:
    """A tool `meet` that returns when three calls of it run at the same time."""
    from services.orchestrator.runtime import (  # noqa: PLC0415 - imports crewai
        crew_builder,
    )

    barrier = threading.Barrier(3)

    def meet(arguments: Meet) -> str:
        barrier.wait(timeout=10)
        return f"met {arguments.name}"

    tool = AgentTool(name="meet", description="Meet.", arguments=Meet, run=meet)

    def with_meet() -> Mapping[str, AgentTool]:
        return {**installed_tools(), tool.name: tool}

    monkeypatch.setattr(crew_builder, "installed_tools", with_meet)
    yield barrier
    barrier.abort()
