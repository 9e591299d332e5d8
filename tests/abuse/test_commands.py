"""The same thing asked many times at once, and things that cross each other."""

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from typing import Final
from uuid import uuid4

import httpx
import pytest

from libs.testing.client import FounderClient, new_request_id
from libs.testing.model_server import ModelServer, Pace
from libs.testing.socket_client import SocketClient
from libs.testing.stack import until
from libs.testing.stream_state import Frame
from tests.abuse.conftest import Target
from tests.integration.proofs import prove_log, prove_shown_is_stored, verify_database

_REPEATS: Final = 100
_RETRIES: Final = 20
_RACES: Final = 24


def _essence(answer: Mapping[str, object]) -> tuple[object, ...]:
    """What socket and HTTP both tell of an accepted message."""
    return tuple(answer[name] for name in ("message_id", "run_id", "seq", "position"))


async def test_a_message_sent_100_times_at_once_is_one_message_and_one_run(
    founder: FounderClient, model: ModelServer
) -> None:
    session = await founder.create_session()
    session_id, stream = session["session_id"], session["stream"]
    path = f"/v1/sessions/{session_id}/messages"
    named = {"request_id": new_request_id(), "text": "Once"}

    async def by_http() -> Frame:
        answer = await founder.post(path, **named)
        assert answer.status_code == httpx.codes.ACCEPTED
        accepted: Frame = answer.json()
        return accepted

    async def by_socket() -> Frame:
        async with founder.socket() as socket:
            return await socket.command("message.send", session_id=session_id, **named)

    async with founder.following(session_id) as tab:
        answers = await asyncio.gather(
            *(by_http() if n % 2 else by_socket() for n in range(_REPEATS))
        )
        assert len({_essence(answer) for answer in answers}) == 1
        run_id = answers[0]["run_id"]
        assert await tab.ended(stream, run_id) == "run.finished"
        changed = await founder.post(path, **named | {"text": "Twice"})
        assert changed.status_code == httpx.codes.CONFLICT
        assert changed.json()["code"] == "request_id_reused"
        log = await prove_shown_is_stored(founder, session_id, tab.state(stream))
    assert log.runs == [run_id]
    assert len(log.seen("message.accepted")) == 1
    assert len(model.requests) == 1


async def test_20_retries_at_once_are_one_new_run(
    founder: FounderClient, model: ModelServer
) -> None:
    session = await founder.create_session()
    session_id, stream = session["session_id"], session["stream"]
    async with founder.following(session_id) as tab:
        sent = await founder.send(session_id, "Try [fault:401]")
        assert await tab.ended(stream, sent["run_id"]) == "run.failed"
        asked = len(model.requests)
        path = f"/v1/runs/{sent['run_id']}/retry"
        answers = await asyncio.gather(*(founder.post(path) for _ in range(_RETRIES)))
        assert {answer.status_code for answer in answers} == {httpx.codes.ACCEPTED}
        [retried] = {answer.json()["run_id"] for answer in answers}
        assert await tab.ended(stream, retried) == "run.failed"
        # It failed as well, so that it is the one to be tried again now.
        late = await founder.post(path)
        assert late.json()["run_id"] == retried
        log = await prove_shown_is_stored(founder, session_id, tab.state(stream))
    assert log.runs == [sent["run_id"], retried]
    assert len(model.requests) - asked == 1


async def _open_reply(founder: FounderClient, tab: SocketClient, session: Frame) -> str:
    """Begin a reply and wait for its first words; returns the run."""
    state = tab.state(session["stream"])
    sent = await founder.send(session["session_id"], "Tell me")
    await tab.until(lambda: bool(state.seen("message.delta")))
    run_id: str = sent["run_id"]
    return run_id


async def test_a_session_deleted_while_a_reply_streams_is_gone_everywhere(
    target: Target, founder: FounderClient, model: ModelServer
) -> None:
    model.pace = Pace(tokens_per_second=20, tokens_per_reply=400)
    session = await founder.create_session()
    session_id, stream = session["session_id"], session["stream"]
    async with founder.following(session_id) as tab:
        run_id = await _open_reply(founder, tab, session)
        waiting = await founder.send(session_id, "And another")
        deleted = await founder.http.delete(f"/v1/sessions/{session_id}")
        assert deleted.status_code == httpx.codes.NO_CONTENT
        state = tab.state(stream)
        await tab.until(lambda: state.is_ended)
        assert state.violations == []
        assert tab.closes == []

        async def is_cancelled_upstream() -> bool:
            return [each.outcome for each in model.requests] == ["client_closed"]

        await until(is_cancelled_upstream, timeout_seconds=10, what="the end upstream")
        for path in (
            f"/v1/sessions/{session_id}",
            f"/v1/sessions/{session_id}/messages",
            f"/v1/streams/{stream}/events",
            f"/v1/runs/{run_id}",
            f"/v1/runs/{waiting['run_id']}",
        ):
            gone = await founder.http.get(path)
            assert gone.status_code == httpx.codes.NOT_FOUND, path
        late = await tab.command("message.send", session_id=session_id, text="Hello?")
        assert late["code"] == "session_unknown"
    assert _rows_that_name(target, session_id, run_id, waiting["run_id"]) == {}
    await verify_database(target.stack.database)


def _rows_that_name(target: Target, *ids: str) -> Counter[str]:
    """Rows by table and column that hold one of the ids, but for the notice.

    The founder's stream says that the session was there and is gone; the answers
    to its commands are kept for some days, for who asks again.
    """
    found: Counter[str] = Counter()
    uri = f"file:{target.stack.database}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as database:
        columns = database.execute(
            "SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_info(m.name)"
            " AS c WHERE m.type = 'table' AND m.name != 'requests' AND c.name IN"
            " ('session_id', 'run_id', 'stream')"
        ).fetchall()
        assert len(columns) > 3
        for table, column in columns:
            marks = ",".join("?" * (2 * len(ids)))
            names = [*ids, *(f"session:{each}" for each in ids)]
            query = f"SELECT count(*) FROM {table} WHERE {column} IN ({marks})"  # noqa: S608 - names of our own tables
            [count] = database.execute(query, names).fetchone()
            found[f"{table}.{column}"] += count
    return Counter({name: count for name, count in found.items() if count})


async def test_a_stop_that_meets_the_end_tells_the_truth(
    founder: FounderClient, model: ModelServer
) -> None:
    model.pace = Pace(tokens_per_second=300, tokens_per_reply=40)
    chance = random.Random(7)  # noqa: S311 - moments, not secrets
    seen: Counter[str] = Counter()

    async def race() -> None:
        session = await founder.create_session()
        session_id, stream = session["session_id"], session["stream"]
        async with founder.following(session_id) as tab:
            sent = await founder.send(session_id, "Quick")
            await asyncio.sleep(chance.uniform(0, 0.35))
            cancelled = await founder.cancel(sent["run_id"])
            end = await tab.ended(stream, sent["run_id"])
            match cancelled["state"]:
                case "finished" | "cancelled" as told:
                    assert end == f"run.{told}"
                case told:
                    assert told in {"dispatched", "running", "queued"}
                    assert end in {"run.cancelled", "run.finished"}
            again = await founder.cancel(sent["run_id"])
            assert f"run.{again['state']}" == end
            log = await prove_shown_is_stored(founder, session_id, tab.state(stream))
            ends = [event for event in log.events if event["type"] in _ENDS]
            assert [event["type"] for event in ends] == [end]
            if end == "run.cancelled":
                assert ends[0]["data"] == {"reason": "founder"}
            seen[end] += 1

    for _ in range(_RACES // 8):
        await asyncio.gather(*(race() for _ in range(8)))
    assert len(seen) == 2, "the moments are all early, or all late"


_ENDS: Final = {"run.finished", "run.cancelled", "run.failed"}


@pytest.mark.parametrize("command", ["run.cancel", "run.retry", "session.delete"])
async def test_commands_for_things_of_others_and_of_nobody_change_nothing(
    founder: FounderClient, target: Target, command: str
) -> None:
    session = await founder.create_session()
    sent = await founder.send(session["session_id"], "Mine")
    async with (
        await FounderClient.arrive(target.stack.url) as stranger,
        stranger.socket() as socket,
    ):
        for run_id, session_id in (
            (sent["run_id"], session["session_id"]),
            (str(uuid4()), str(uuid4())),
        ):
            ids = {"run_id": run_id} if command.startswith("run") else {}
            answer = await socket.command(command, **ids or {"session_id": session_id})
            assert answer["code"] in {"run_unknown", "session_unknown"}
    async with founder.following(session["session_id"]) as tab:
        assert await tab.ended(session["stream"], sent["run_id"]) == "run.finished"
    await prove_log(founder, session["session_id"])
