"""Pinned sessions stand before the others, page by page."""

from pathlib import Path

from services.api_gateway.store import NewSession
from services.api_gateway.store_sql import sessions
from services.api_gateway.store_sql.tests.bench import Bench, query_plan


async def listed(bench: Bench, *, limit: int, is_archived: bool = False) -> list[str]:
    """Titles of all pages, in order."""
    titles: list[str] = []
    cursor = None
    while True:
        page = await bench.store.sessions(
            bench.founder_id,
            cursor=cursor,
            limit=limit,
            is_archived=is_archived,
            title_query=None,
        )
        titles += [session.title for session in page.sessions]
        cursor = page.next_cursor
        if cursor is None:
            return titles


async def pin(bench: Bench, session_id: str, *, is_pinned: bool) -> None:
    """Pin or unpin."""
    await bench.store.update_session(
        bench.key("session.update"),
        session_id,
        title=None,
        is_archived=None,
        is_pinned=is_pinned,
    )


async def test_pinned_sessions_come_first_and_every_page_goes_on(bench: Bench) -> None:
    ids = {}
    for title in "abcdef":
        bench.clock.seconds += 1
        made = await bench.store.create_session(
            bench.key("session.create"), NewSession(title, has_opening=False)
        )
        ids[title] = made.session.session_id
    for title in "bd":
        await pin(bench, ids[title], is_pinned=True)
    for limit in (1, 2, 3, 10):
        assert await listed(bench, limit=limit) == [*"dbfeca", ""]
    await pin(bench, ids["d"], is_pinned=False)
    assert await listed(bench, limit=2) == [*"bfedca", ""]


async def test_a_pin_is_told_to_both_streams_once(bench: Bench) -> None:
    for _ in range(2):
        await pin(bench, bench.session_id, is_pinned=True)
    for stream in (bench.session.stream, f"founder:{bench.founder_id}"):
        events = await bench.log(stream)
        told = [each for each in events if each["type"] == "session.updated"]
        assert [each["data"]["session"]["pinned"] for each in told] == [True]
    view = await bench.store.session(bench.founder_id, bench.session_id)
    assert view.updated_at == bench.session.updated_at


def test_the_list_is_read_in_the_order_of_its_index(migrated: Path) -> None:
    steps = query_plan(migrated, sessions._PAGE.sql)  # noqa: SLF001 - the statement itself
    assert any("USING INDEX sessions_by_use" in step for step in steps)
    assert not any("TEMP B-TREE" in step for step in steps)
