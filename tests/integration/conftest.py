"""A real stack per test module, and a new founder per test."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from libs.testing.client import FounderClient
from libs.testing.model_server import ModelServer, Pace
from libs.testing.stack import Stack, free_port


def _running(stack: Stack) -> Iterator[Stack]:
    asyncio.run(stack.start())
    try:
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run the stack on the simulated coach."""
    directory: Path = tmp_path_factory.mktemp("stack")
    yield from _running(Stack(directory, tokens_per_second=60))


@pytest.fixture
async def founder(stack: Stack) -> AsyncIterator[FounderClient]:
    """Arrive as a new founder."""
    async with await FounderClient.arrive(stack.url) as client:
        yield client


@pytest.fixture(scope="module")
def model_port() -> int:
    """Choose the port where the modules' model servers listen, one after another."""
    return free_port()


@pytest.fixture(scope="module")
def model_stack(
    tmp_path_factory: pytest.TempPathFactory, model_port: int
) -> Iterator[Stack]:
    """Run the stack on the OpenAI-compatible provider."""
    directory: Path = tmp_path_factory.mktemp("model_stack")
    url = f"http://127.0.0.1:{model_port}/v1"
    yield from _running(Stack(directory, model_url=url))


@pytest.fixture
async def model(model_port: int) -> AsyncIterator[ModelServer]:
    """Serve the model: 150 tokens at 100 a second."""
    pace = Pace(tokens_per_second=100, tokens_per_reply=150)
    async with ModelServer(pace, port=model_port) as server:
        yield server


@pytest.fixture
async def model_founder(
    model_stack: Stack, model: ModelServer
) -> AsyncIterator[FounderClient]:
    """Arrive as a new founder whose coach is the model server."""
    assert model.requests == []
    async with await FounderClient.arrive(model_stack.url) as client:
        yield client
