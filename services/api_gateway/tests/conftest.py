"""One gateway for each module of tests; each test is a founder of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from services.api_gateway.tests.gateway import RunningGateway, config_for, open_gateway


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a module's tests share an event loop, as they share its gateway."""
    in_module = pytest.mark.asyncio(loop_scope="module")
    for item in items:
        if item.path.parent == Path(__file__).parent and pytest_asyncio.is_async_test(
            item
        ):
            item.add_marker(in_module, append=False)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[RunningGateway]:
    """A gateway with the default settings and no orchestrator."""
    config = config_for(tmp_path_factory.mktemp("gateway"))
    async with open_gateway(config) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def http(gateway: RunningGateway) -> AsyncIterator[httpx.AsyncClient]:
    """A new founder's client."""
    async with gateway.http(await gateway.new_token()) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def stranger(gateway: RunningGateway) -> AsyncIterator[httpx.AsyncClient]:
    """The client of somebody who is no founder."""
    async with gateway.http() as client:
        yield client
