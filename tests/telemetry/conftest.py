"""The real stack, traced into a real sink, with words that must never be told."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from libs.testing.client import FounderClient
from libs.testing.model_server import ModelServer, Pace
from libs.testing.otlp_sink import OtlpSink, sink_variables
from libs.testing.stack import Stack, free_port

API_KEY = "canary-api-key-7d1f"
PROMPT = "canary-prompt-c0de"
MESSAGE = "canary-message-beef"

_CREDENTIAL = """\
  credentialRef:
    env: CANARY_API_KEY
"""


@dataclass(frozen=True, slots=True)
class TracedStack:
    """A stack whose spans and lines are read."""

    stack: Stack
    sink: OtlpSink
    model_port: int

    def written(self) -> str:
        """Everything both processes wrote."""
        return "".join(
            process.log_path.read_text("utf-8")
            for process in (self.stack.gateway, self.stack.orchestrator)
        )


def _traced(directory: Path, **settings: str) -> Iterator[TracedStack]:
    """Run a stack; settings are told to both processes, which know their own."""
    of_gateway, of_orchestrator = (
        {name: value for name, value in settings.items() if name.startswith(prefix)}
        for prefix in ("VB_GATEWAY_", "VB_ORCHESTRATOR_")
    )
    model_port = free_port()
    with OtlpSink() as sink:
        traces = sink_variables(sink.address)
        stack = Stack(
            directory,
            model_url=f"http://127.0.0.1:{model_port}/v1",
            gateway_settings={"VB_GATEWAY_LOG_LEVEL": "debug", **traces, **of_gateway},
            orchestrator_settings={
                "VB_ORCHESTRATOR_LOG_LEVEL": "debug",
                "CANARY_API_KEY": API_KEY,
                **traces,
                **of_orchestrator,
            },
        )
        _plant(directory / "configs")
        asyncio.run(stack.start())
        try:
            yield TracedStack(stack, sink, model_port)
        finally:
            stack.stop()


def _plant(configs: Path) -> None:
    """Give the model a key and every prompt a word to look for."""
    model = configs / "test-model.yaml"
    model.write_text(model.read_text("utf-8") + _CREDENTIAL, "utf-8")
    for prompt in configs.rglob("prompts/*.md"):
        prompt.write_text(f"{prompt.read_text('utf-8')}\n{PROMPT}\n", "utf-8")


@pytest.fixture(scope="package")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TracedStack]:
    """A stack as it is by default, but for the level of its log."""
    yield from _traced(tmp_path_factory.mktemp("traced"))


@pytest.fixture(scope="package")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TracedStack]:
    """A stack that was asked to tell prompts, and to believe its callers."""
    yield from _traced(
        tmp_path_factory.mktemp("telling"),
        VB_GATEWAY_TRUST_TRACEPARENT="true",
        VB_ORCHESTRATOR_LOG_PROMPTS="true",
        VB_ORCHESTRATOR_TRACE_PROMPTS="true",
    )


@pytest.fixture
async def model(traced: TracedStack) -> AsyncIterator[ModelServer]:
    """The model behind `traced`."""
    pace = Pace(tokens_per_second=200, tokens_per_reply=20)
    async with ModelServer(pace, port=traced.model_port) as server:
        yield server


@pytest.fixture
async def founder(
    traced: TracedStack, model: ModelServer
) -> AsyncIterator[FounderClient]:
    """Arrive as a new founder."""
    assert model.requests == []
    async with await FounderClient.arrive(traced.stack.url) as client:
        yield client
