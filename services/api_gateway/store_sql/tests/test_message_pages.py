"""Pages of messages: the last, before, after and around a place."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from services.api_gateway.store_sql import messages
from services.api_gateway.store_sql.tests.bench import Bench, query_plan


async def texts(bench: Bench, limit: int, **place: int) -> tuple[str, bool, bool]:
    """Texts of a page, and whether there is more on either side."""
    page = await bench.store.messages(
        bench.founder_id,
        bench.session_id,
        before_seq=place.get("before"),
        around_seq=place.get("around"),
        after_seq=place.get("after"),
        limit=limit,
    )
    said = "".join(message.text for message in page.messages)
    return said, page.has_more, page.has_newer


@pytest.fixture
async def seqs(bench: Bench) -> list[int]:
    """Six messages, a to f; their seqs."""
    for said, replied in ("ab", "cd", "ef"):
        await bench.send(said)
        await bench.answer(replied)
    page = await bench.store.messages(bench.founder_id, bench.session_id, limit=10)
    return [message.seq for message in page.messages]


async def test_pages_go_either_way_and_tell_whether_there_is_more(
    bench: Bench, seqs: list[int]
) -> None:
    assert await texts(bench, 2) == ("ef", True, False)
    assert await texts(bench, 9) == ("abcdef", False, False)
    assert await texts(bench, 2, before=seqs[2]) == ("ab", False, True)
    assert await texts(bench, 2, before=seqs[0]) == ("", False, True)
    assert await texts(bench, 2, after=seqs[2]) == ("de", True, True)
    assert await texts(bench, 9, after=seqs[2]) == ("def", True, False)
    assert await texts(bench, 9, after=seqs[5]) == ("", True, False)


async def test_a_page_around_a_message_fills_both_sides(
    bench: Bench, seqs: list[int]
) -> None:
    assert await texts(bench, 1, around=seqs[2]) == ("c", True, True)
    assert await texts(bench, 2, around=seqs[2]) == ("cd", True, True)
    assert await texts(bench, 4, around=seqs[2]) == ("bcde", True, True)
    assert await texts(bench, 4, around=seqs[0]) == ("abcd", False, True)
    assert await texts(bench, 4, around=seqs[5]) == ("cdef", True, False)
    assert await texts(bench, 9, around=seqs[3]) == ("abcdef", False, False)
    # A seq that is no message's: what stands next to it.
    assert await texts(bench, 2, around=seqs[2] + 1) == ("cd", True, True)


def test_either_side_is_read_in_the_order_of_its_index(migrated: Path) -> None:
    for side in (messages._OLDER, messages._NEWER):  # noqa: SLF001 - the statements
        steps = query_plan(migrated, side.sql)
        assert any("USING INDEX messages_by_seq" in step for step in steps)
        assert not any("TEMP B-TREE" in step for step in steps)


async def test_suggestions_that_make_no_sense_do_not_break_a_page(
    bench: Bench, database: Path
) -> None:
    await bench.send("a")
    await bench.answer("b")
    for stored in ('[{"label": "", "command": 7}]', "{", '"text"'):
        store_suggestions(database, stored)
        page = await bench.store.messages(bench.founder_id, bench.session_id, limit=10)
        assert [(each.text, each.suggestions) for each in page.messages] == [
            ("a", []),
            ("b", []),
        ]
        assert (await bench.store.snapshot(bench.session.stream)).seq
    store_suggestions(database, "[]")


def store_suggestions(database: Path, stored: str) -> None:
    """Write to the rows behind the store's back."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE messages SET suggestions = ?", (stored,))
