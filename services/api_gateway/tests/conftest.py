"""A gateway for each test, and a founder who is known to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.api_gateway.tests.gateway import RunningGateway, config_for, open_gateway


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    """A gateway with the default settings and no orchestrator."""
    async with open_gateway(config_for(tmp_path)) as running:
        yield running


@pytest.fixture
async def http(gateway: RunningGateway) -> AsyncIterator[httpx.AsyncClient]:
    """A founder's client."""
    async with gateway.http(await gateway.new_token()) as client:
        yield client


@pytest.fixture
async def stranger(gateway: RunningGateway) -> AsyncIterator[httpx.AsyncClient]:
    """The client of somebody who is no founder."""
    async with gateway.http() as client:
        yield client
