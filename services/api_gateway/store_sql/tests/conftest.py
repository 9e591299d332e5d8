"""The store under test: every adapter is held to the same contract."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from services.api_gateway.fanout import LoggedEvent
from services.api_gateway.store import Store
from services.api_gateway.store_sql import open_store, verify
from services.api_gateway.store_sql.tests.bench import Bench, Clock, Published

OpenAdapter = Callable[
    [Path, Clock, Callable[[Sequence[LoggedEvent]], None], Callable[[str], None]],
    Awaitable[Store],
]


async def _open_sqlite(
    folder: Path,
    clock: Clock,
    publish: Callable[[Sequence[LoggedEvent]], None],
    end_stream: Callable[[str], None],
) -> Store:
    return await open_store(
        path=folder / "venturebots.db",
        publish=publish,
        end_stream=end_stream,
        clock=clock,
    )


@pytest.fixture(params=[pytest.param(_open_sqlite, id="sqlite")])
def open_adapter(request: pytest.FixtureRequest) -> OpenAdapter:
    """Opens one adapter of the port; another one is another parameter."""
    adapter: OpenAdapter = request.param
    return adapter


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where the SQLite adapter keeps its file."""
    return tmp_path / "venturebots.db"


@pytest.fixture
async def migrated(database: Path) -> Path:
    """A database as an installation has it."""
    store = await open_store(
        path=database, publish=lambda _events: None, end_stream=lambda _stream: None
    )
    await store.aclose()
    return database


@pytest.fixture
async def bench(
    tmp_path: Path, database: Path, open_adapter: OpenAdapter
) -> AsyncIterator[Bench]:
    """A founder and a session; afterwards the log has to be without contradiction."""
    published, clock = Published(), Clock()
    store = await open_adapter(
        tmp_path, clock, published.events.extend, published.ended.append
    )
    yield await Bench.begin(store, published, clock)
    await store.aclose()
    assert await verify(database) == []
