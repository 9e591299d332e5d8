"""Search finds the founder's own words, wherever they stand, and nothing else."""

from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.api_gateway.errors import InvalidCommandError
from services.api_gateway.store import CommandKey, NewSession, WhenBusy
from services.api_gateway.store_sql.search import snippet
from services.api_gateway.store_sql.tests.bench import Bench, opened, reply, started
from services.api_gateway.store_sql.words import (
    index_query,
    indexed_words,
    matches,
    query_words,
)
from services.api_gateway.wire.views import SearchHit

FAILED = ("run.failed", {"code": "llm_timeout", "detail": "again", "retryable": True})


async def search(bench: Bench, query: str, *, limit: int = 50) -> list[SearchHit]:
    """Everything that is found, page by page."""
    hits: list[SearchHit] = []
    cursor = None
    while True:
        page = await bench.store.search(
            bench.founder_id, query=query, cursor=cursor, limit=limit
        )
        hits += page.hits
        cursor = page.next_cursor
        if cursor is None:
            return hits


async def found(bench: Bench, query: str, *, limit: int = 50) -> list[str]:
    """Texts of the hits; a title is shown by its session's."""
    return [
        hit.session.title
        if hit.message is None
        else "".join(part.text for part in hit.message.snippet)
        for hit in await search(bench, query, limit=limit)
    ]


async def test_what_both_said_and_titles_are_found_the_newest_first(
    bench: Bench,
) -> None:
    await bench.send("Queues at lunch")
    await bench.answer("Who waits for lunch?")
    await bench.send("Office workers")
    assert await found(bench, "lunch") == [
        "Queues at lunch",
        "Who waits for lunch?",
        "Queues at lunch",
    ]
    assert await found(bench, "lun wai") == ["Who waits for lunch?"]
    assert await found(bench, "lunchbox") == []
    title, reply_hit, _ = await search(bench, "lunch")
    assert title.message is None
    assert reply_hit.message is not None
    marked = [part.text for part in reply_hit.message.snippet if part.is_match]
    assert marked == ["lunch"]
    assert reply_hit.session.session_id == bench.session_id


async def test_every_page_goes_on_where_the_last_one_ended(bench: Bench) -> None:
    texts = [f"lunch number {number}" for number in range(7)]
    for text in texts:
        await bench.send(text)
        await bench.answer("well")
    wanted = ["lunch number 0", *reversed(texts)]
    for limit in (1, 2, 3, 8, 50):
        assert await found(bench, "lunch", limit=limit) == wanted


@pytest.mark.parametrize(
    ("said", "sought"),
    [
        ("Das Frühstück in Köln", "fruhstuck"),
        ("Das Fruhstuck", "FRÜHSTÜCK"),
        ("Große Straße", "strasse"),
        ("cafe\u0301 society", "café"),
        ("お弁当を買う", "弁当"),
        ("\u041e\u0431\u0435\u0434", "\u043e\u0431\u0435"),
        ("ﬁnance ⑴ ½", "finance"),
        ("x" * 400, "x" * 300),
    ],
)
async def test_case_and_diacritics_do_not_count(
    bench: Bench, said: str, sought: str
) -> None:
    await bench.send(said)
    hits = await search(bench, sought)
    assert len(hits) == 2
    message = hits[1].message
    assert message is not None
    assert any(part.is_match for part in message.snippet)


async def test_a_title_is_found_by_the_words_it_has_now(bench: Bench) -> None:
    for title in ("First words", "Other words"):
        await bench.store.update_session(
            bench.key("session.update"),
            bench.session_id,
            title=title,
            is_archived=True,
        )
    assert await found(bench, "first") == []
    assert await found(bench, "other words") == ["Other words"]


async def test_what_is_being_written_is_found_once_it_is_whole(bench: Bench) -> None:
    await bench.send("hello")
    work = await bench.dispatch()
    await bench.play(work.run_id, started(), *opened("m-1", "a lantern"))
    assert await found(bench, "lantern") == []
    await bench.play(work.run_id, FAILED, after=3)
    assert await found(bench, "lantern") == ["a lantern"]
    await bench.store.retry_run(bench.key("run.retry", str(uuid4())), work.run_id)
    assert await found(bench, "lantern") == []
    work = await bench.dispatch()
    await bench.play(work.run_id, *reply("a torch"), ("run.finished", {}))
    assert await found(bench, "lantern") == []
    assert await found(bench, "torch") == ["a torch"]


async def test_copies_are_found_and_what_is_deleted_is_not(bench: Bench) -> None:
    await bench.send("a lantern")
    await bench.answer("which lantern?")
    sent = await bench.send("that one")
    await bench.answer()
    key = bench.key("session.branch", str(uuid4()))
    branched = await bench.store.branch_session(
        key, bench.session_id, sent.message_id, "another"
    )
    assert len(await search(bench, "lantern")) == 6
    await bench.store.delete_session(bench.key("session.delete"), bench.session_id)
    hits = await search(bench, "lantern")
    assert {hit.session.session_id for hit in hits} == {branched.session.session_id}
    assert len(hits) == 3
    again = await bench.store.create_session(
        bench.key("session.create"), NewSession("Torch", has_opening=False)
    )
    assert await found(bench, "torch") == ["Torch"]
    assert again.session.title == "Torch"


async def test_another_founders_words_are_never_found(bench: Bench) -> None:
    await bench.send("a lantern")
    other = await bench.store.create_founder(uuid4().hex)
    page = await bench.store.search(
        other.founder_id, query="lantern", cursor=None, limit=50
    )
    assert page.hits == []
    made = await bench.store.create_session(
        CommandKey(other.founder_id, "session.create", None, ""),
        NewSession("lantern", has_opening=False),
    )
    await bench.store.accept_message(
        CommandKey(other.founder_id, "message.send", str(uuid4()), ""),
        made.session.session_id,
        f"{bench.founder_id.replace('-', '')}_lantern",
        WhenBusy.WAIT,
    )
    assert len(await search(bench, "lantern")) == 2


async def test_a_cursor_of_somebodys_own_making_is_refused(bench: Bench) -> None:
    with pytest.raises(InvalidCommandError):
        await bench.store.search(
            bench.founder_id, query="x", cursor="over there", limit=5
        )
    page = await bench.store.search(
        bench.founder_id, query="x", cursor="f" * 32, limit=5
    )
    assert page.hits == []


@pytest.mark.parametrize(
    ("cursor", "below"), [("-1", 0), ("-" + "f" * 31, 0), ("0", 0), ("f" * 32, 2)]
)
async def test_a_cursor_beyond_all_numbers_is_below_or_above_all(
    bench: Bench, cursor: str, below: int
) -> None:
    await bench.send("lunch")
    page = await bench.store.search(
        bench.founder_id, query="lunch", cursor=cursor, limit=5
    )
    assert len(page.hits) == below, "the title and the message, or nothing"


HOSTILE = [
    '"',
    "'; DROP TABLE messages; --",
    'lunch" OR "1',
    "NOT lunch",
    "lunch NEAR(queue, 2)",
    "words:lunch -x ^y *",
    "*",
    "😀🚀",
    "\u0301",
    "a" * 8_000,
    "a " * 4_000,
    "(" * 500,
    "\x00\x01",
    "_ __ ___",
    "½ ⑴ ﷺ",
]


@pytest.mark.parametrize("query", HOSTILE)
async def test_no_query_fails(bench: Bench, query: str) -> None:
    await bench.send("lunch")
    page = await bench.store.search(bench.founder_id, query=query, cursor=None, limit=5)
    assert page.next_cursor is None


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1, max_size=60))
def test_a_text_is_found_by_the_beginning_of_each_of_its_words(text: str) -> None:
    owner = "0b5e9a52-6a0e-4a6f-9d1c-3f6a1c2d4e5f"
    terms = indexed_words(owner, text).split(" ")
    own = owner.replace("-", "")
    assert all(term.startswith(own) for term in terms if term)
    for word in query_words(text):
        assert f"{own}_{word}" in terms
        assert index_query(owner, [word]).count('"') == 2


@settings(max_examples=100)
@given(text=st.text(max_size=400), words=st.lists(st.text(max_size=5), max_size=3))
def test_a_snippet_is_a_part_of_the_text_and_marks_whole_words(
    text: str, words: list[str]
) -> None:
    sought = query_words(" ".join(words))
    parts = snippet(text, sought)
    assert len("".join(part.text for part in parts)) <= 182
    assert all(part.text for part in parts)
    for part in parts:
        if part.is_match:
            assert (0, len(part.text)) in matches(part.text, sought)
