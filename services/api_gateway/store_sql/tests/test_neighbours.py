"""Runs side by side: what is told of one changes nothing of another."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from services.api_gateway.store import Appended, RunWork
from services.api_gateway.store_sql.tests.bench import (
    Bench,
    ended,
    opened,
    started,
    step,
    step_done,
)

_TABLES = ("runs", "run_steps", "messages")
_SUGGESTION = {"label": "Yes", "command": {"type": "message.send", "text": "Yes"}}


async def _dispatched(bench: Bench, number: int) -> list[RunWork]:
    """Dispatch runs of as many founders, in the order of their ids."""
    works = []
    for _ in range(number):
        own = await Bench.begin(bench.store, bench.published, bench.clock)
        await own.send()
        works.append(await own.dispatch())
    return sorted(works, key=lambda work: work.run_id)


def _rows(
    database: Path, work: RunWork, table: str, columns: str = "*"
) -> list[tuple[object, ...]]:
    """What a table has of a run, in the order of the columns."""
    sql = f"SELECT {columns} FROM {table} WHERE run_id = ? ORDER BY 1, 2"  # noqa: S608 - names of this file
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql, (work.run_id,)).fetchall()


async def test_what_is_told_of_a_run_stays_with_it(
    bench: Bench, database: Path
) -> None:
    below, between, above = await _dispatched(bench, 3)
    for work, foreign in ((below, "a"), (above, "z")):
        await bench.play(
            work.run_id,
            started(),
            *opened(foreign, "half "),
            *(step(name, "look") for name in ("s1", "s2", "s3")),
        )

    def neighbours() -> list[object]:
        return [
            _rows(database, work, table) for work in (below, above) for table in _TABLES
        ]

    before, published = neighbours(), len(bench.published.events)
    told = [
        started(),
        *(step(name, "look") for name in ("s1", "s2", "s3")),
        step_done("s2"),
        *opened("m", "fine"),
        ended("m", 4),
        ("suggestions", {"message_id": "m", "suggestions": [_SUGGESTION]}),
        *opened("b", "too"),
        ended("b", 3),
        ("usage", {"model": "default", "prompt_tokens": 7, "completion_tokens": 3}),
    ]
    strange: list[tuple[str, dict[str, Any]]] = [
        ("message.delta", {"message_id": "m", "text": "late"})
    ]
    for foreign in ("a", "z"):
        strange += [
            ("message.delta", {"message_id": foreign, "text": "stolen"}),
            ended(foreign, 5),
            ("suggestions", {"message_id": foreign, "suggestions": []}),
        ]
    appended = await bench.play(between.run_id, *told, *strange)
    assert appended == Appended(last_offset=len(told) + len(strange), is_over=False)
    assert neighbours() == before
    events = bench.published.events[published:]
    assert {event.stream for event in events} == {f"session:{between.session_id}"}
    assert len(events) == len(told)
    assert _rows(
        database, between, "runs", "ignored_events, prompt_tokens, completion_tokens"
    ) == [(len(strange), 7, 3)]
    assert _rows(database, between, "run_steps", "step_id, status, has_spoken") == [
        ("s1", "running", 1),
        ("s2", "complete", 0),
        ("s3", "running", 1),
    ]
    replies = "role, message_id, text, suggestions = '[]'"
    assert _rows(database, between, "messages", replies)[:2] == [
        ("coach", "b", "too", 1),
        ("coach", "m", "fine", 0),
    ]


async def test_nothing_is_taken_after_the_end(bench: Bench) -> None:
    await bench.send()
    work = await bench.dispatch()
    usage = {"model": "default", "prompt_tokens": 7, "completion_tokens": 3}
    appended = await bench.play(
        work.run_id, started(), ("run.finished", {}), ("usage", usage)
    )
    assert appended == Appended(last_offset=2, is_over=True)
    assert (await bench.types())[-1] == "run.finished"
    run = await bench.store.run(bench.founder_id, work.run_id)
    assert run.prompt_tokens == 0
