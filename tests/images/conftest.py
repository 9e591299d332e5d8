"""Images built from this checkout, and the product that compose starts from them."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from enum import StrEnum

import pytest
from playwright.async_api import Browser

from libs.testing.client import FounderClient
from libs.toolchain.browser import find_chromium
from libs.toolchain.docker import (
    docker_environment,
    has_engine,
    missing_docker,
    stop_engine,
)
from tests.cluster.machine import changes, engine_objects, left_as_found
from tests.e2e.visitor import Visitor, open_browser
from tests.figures import figure
from tests.images.composition import Composition, docker
from tests.real import missing


class Service(StrEnum):
    """A service of the composition that goes on running."""

    FRONTEND = "frontend"
    GATEWAY = "api-gateway"
    ORCHESTRATOR = "orchestrator"


@pytest.fixture(scope="session", autouse=True)
def engine() -> Iterator[None]:
    """Have a Docker engine: the machine's, or one of our own, which leaves no trace."""
    if reason := missing_docker():
        missing(reason)
    with ExitStack() as leaving:
        if not has_engine():
            leaving.enter_context(left_as_found(beside_engine=False))
            leaving.callback(stop_engine)
        os.environ.update(docker_environment())
        before = engine_objects(os.environ)
        yield
        after = engine_objects(os.environ)
    assert changes(before, after) == []


@pytest.fixture(scope="session")
def images(engine: None) -> dict[str, str]:  # noqa: ARG001 - it runs meanwhile
    """Build the images; returns their names by service."""
    names = {str(service): f"venturebots/{service}:0.1.0" for service in Service}
    is_first = not asyncio.run(docker("image", "ls", "--quiet", names[Service.GATEWAY]))
    told = "cold, on an engine without them" if is_first else "on an engine with some"
    figure(f"images: built in {_built():.1f} s ({told})")
    figure(f"images: built again in {_built():.1f} s (warm, nothing changed)")
    return names


def _built() -> float:
    started = time.monotonic()
    asyncio.run(Composition().compose("build"))
    return time.monotonic() - started


@pytest.fixture(scope="session")
def product(images: dict[str, str]) -> Iterator[Composition]:
    """Start everything, as it is after a clone; every test is another founder."""
    assert images
    composition = Composition()
    try:
        started = time.monotonic()
        asyncio.run(composition.up())
        took = time.monotonic() - started
        figure(f"docker compose up --wait: all healthy after {took:.1f} s")
        yield composition
    finally:
        asyncio.run(composition.remove())


@pytest.fixture
async def founder(product: Composition) -> AsyncIterator[FounderClient]:
    """Arrive as a program."""
    async with await FounderClient.arrive(product.url) as client:
        yield client


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Launch a browser."""
    chromium = await asyncio.to_thread(find_chromium)
    if chromium is None:
        missing("no Chromium: set CHROMIUM, or put one on PATH")
    async with open_browser(str(chromium)) as launched:
        yield launched


@pytest.fixture
async def visitor(product: Composition, browser: Browser) -> AsyncIterator[Visitor]:
    """Arrive with an empty browser profile."""
    person = Visitor(product.url, browser)
    yield person
    await person.leave()
