"""A founder talks with the coach: one truth over socket, SSE and REST."""

import asyncio
from uuid import uuid4

import httpx

from libs.testing.client import FounderClient
from libs.testing.stack import Stack
from tests.integration.proofs import (
    prove_log,
    prove_shown_is_stored,
    verify_database,
)

_LONG = "Tell me at length what I should ask my first customers, and why."


async def test_words_arrive_while_the_run_is_going_on(founder: FounderClient) -> None:
    session = await founder.create_session()
    async with founder.following(session["session_id"]) as socket:
        state = socket.state(session["stream"])
        sent = await founder.send(session["session_id"], _LONG)
        await socket.until(lambda: len(state.seen("message.delta")) > 0)
        assert (await founder.run(sent["run_id"]))["state"] == "running"
        assert await socket.ended(session["stream"], sent["run_id"]) == "run.finished"
        assert len(state.seen("message.delta")) > 3
        log = await prove_shown_is_stored(founder, session["session_id"], state)
    assert log.reply_to(sent["run_id"])
    assert len(log.seen("run.started")) == 1


async def test_a_message_is_acknowledged_before_any_word_of_the_reply(
    founder: FounderClient,
) -> None:
    session = await founder.create_session()
    async with founder.following(session["session_id"]) as socket:
        ack = await socket.command(
            "message.send", session_id=session["session_id"], text="Hello"
        )
        assert ack["type"] == "ack"
        await socket.ended(session["stream"], ack["run_id"])
        types = [frame["type"] for frame in socket.frames]
        assert types.index("ack") < types.index("message.delta")
        [accepted] = socket.state(session["stream"]).seen("message.accepted")
        assert accepted["seq"] == ack["seq"]
        assert accepted["data"]["message_id"] == ack["message_id"]
        first_delta = socket.state(session["stream"]).seen("message.delta")[0]
        assert ack["seq"] < first_delta["seq"]


async def test_socket_sse_and_rest_tell_the_same_events(founder: FounderClient) -> None:
    session = await founder.create_session(opening=True)
    stream = session["stream"]
    async with founder.following(session["session_id"]) as socket:
        live = asyncio.create_task(founder.live_until(stream, "run.finished", after=0))
        await socket.until(lambda: len(socket.state(stream).run_ends) == 1)
        told, _ = await live
        log = await prove_log(founder, session["session_id"])
        shown = socket.state(stream).events
    end = log.seen("run.finished")[0]["seq"]
    assert told == log.events[:end]
    assert shown[:end] == log.events[:end]


async def test_an_interrupted_sse_reader_resumes_after_its_last_event(
    founder: FounderClient,
) -> None:
    session = await founder.create_session()
    sent = await founder.send(session["session_id"], _LONG)
    stream = session["stream"]
    before, event_id = await founder.live_until(stream, "message.delta", after=0)
    after, _ = await founder.live_until(stream, "run.finished", after=event_id)
    seqs = [event["seq"] for event in before + after]
    assert seqs == list(range(1, len(seqs) + 1))
    assert after[-1]["run_id"] == sent["run_id"]


async def test_the_coach_opens_a_session_and_offers_replies(
    founder: FounderClient,
) -> None:
    session = await founder.create_session(opening=True)
    async with founder.following(session["session_id"]) as socket:
        state = socket.state(session["stream"])
        await socket.until(lambda: len(state.run_ends) == 1)
        assert state.seen("run.created")[0]["data"]["trigger"] == "opening"
        [offered] = state.seen("suggestions")
        assert 2 <= len(offered["data"]["suggestions"]) <= 4
    [message] = await founder.messages(session["session_id"])
    assert message["role"] == "coach"
    assert message["suggestions"] == offered["data"]["suggestions"]


async def test_a_cancelled_run_ends_within_a_second_and_can_be_retried(
    founder: FounderClient,
) -> None:
    session = await founder.create_session()
    async with founder.following(session["session_id"]) as socket:
        state = socket.state(session["stream"])
        sent = await founder.send(session["session_id"], _LONG)
        await socket.until(lambda: len(state.seen("message.delta")) > 1)
        await founder.cancel(sent["run_id"])
        await socket.until(lambda: sent["run_id"] in state.run_ends, timeout_seconds=1)
        assert state.run_ends[sent["run_id"]] == "run.cancelled"
        assert "cancelled" in state.statuses.values()

        retried = await founder.retry(sent["run_id"])
        assert (await founder.retry(sent["run_id"]))["run_id"] == retried["run_id"]
        assert (
            await socket.ended(session["stream"], retried["run_id"]) == "run.finished"
        )
        assert sorted(state.statuses.values()) == ["complete", "complete", "superseded"]
        refused = await founder.post(f"/v1/runs/{retried['run_id']}/retry")
        assert refused.status_code == httpx.codes.CONFLICT
        assert refused.json()["code"] == "run_not_retryable"
        await prove_shown_is_stored(founder, session["session_id"], state)


async def test_three_messages_wait_in_order_and_a_fourth_is_refused(
    founder: FounderClient,
) -> None:
    session = await founder.create_session()
    path = f"/v1/sessions/{session['session_id']}/messages"
    async with founder.following(session["session_id"]) as socket:
        sent = [await founder.send(session["session_id"], _LONG)]
        for position in (1, 2, 3):
            sent.append(await founder.send(session["session_id"], f"And {position}?"))
            assert sent[-1]["position"] == position
        refused = await founder.post(path, text="And one too many?")
        assert refused.status_code == httpx.codes.CONFLICT
        assert (refused.json()["code"], refused.json()["retryable"]) == (
            "queue_full",
            True,
        )
        runs = [each["run_id"] for each in sent]
        await founder.cancel(runs[0])
        for run_id in runs[1:]:
            assert await socket.ended(session["stream"], run_id) == "run.finished"
        state = socket.state(session["stream"])
        assert list(state.run_ends) == runs
        await prove_shown_is_stored(founder, session["session_id"], state)
    roles = [each["role"] for each in await founder.messages(session["session_id"])]
    assert roles.count("founder") == 4


async def test_a_repeated_command_gives_the_first_result(
    founder: FounderClient,
) -> None:
    session = await founder.create_session()
    path = f"/v1/sessions/{session['session_id']}/messages"
    request_id = str(uuid4())
    async with founder.following(session["session_id"]) as socket:
        answers = await asyncio.gather(
            *(
                founder.post(path, request_id=request_id, text=text)
                for text in ("Once", " Once ", "Once")
            )
        )
        assert [each.status_code for each in answers] == [httpx.codes.ACCEPTED] * 3
        [accepted] = {str(each.json()) for each in answers}
        other = await founder.post(path, request_id=request_id, text="Twice")
        assert other.status_code == httpx.codes.CONFLICT
        assert other.json()["code"] == "request_id_reused"
        run_id = answers[0].json()["run_id"]
        await socket.ended(session["stream"], run_id)
        state = socket.state(session["stream"])
        assert len(state.seen("message.accepted")) == 1, accepted


async def test_two_clients_of_a_founder_see_the_same(founder: FounderClient) -> None:
    session = await founder.create_session()
    async with (
        founder.following(session["session_id"]) as one,
        founder.following(session["session_id"]) as other,
    ):
        sent = await founder.send(session["session_id"], _LONG)
        await one.ended(session["stream"], sent["run_id"])
        last = one.state(session["stream"]).last_seq
        await other.until(lambda: other.state(session["stream"]).last_seq >= last)
        assert (
            other.state(session["stream"]).events[:last]
            == one.state(session["stream"]).events[:last]
        )


async def test_the_founder_stream_tells_of_sessions_made_renamed_and_deleted(
    founder: FounderClient,
) -> None:
    stream = founder.founder["stream"]
    async with founder.socket(stream) as socket:
        await socket.until(lambda: socket.state(stream).is_live)
        session = await founder.create_session()
        path = f"/v1/sessions/{session['session_id']}"
        async with founder.following(session["session_id"]) as talk:
            await founder.http.patch(path, json={"title": "Kitchen rota"})
            await founder.http.delete(path)
            await talk.until(lambda: talk.state(session["stream"]).is_ended)
        await socket.until(
            lambda: socket.state(stream).counts()["session.deleted"] == 1
        )
        titles = [
            event["data"]["session"]["title"]
            for event in socket.state(stream).seen("session.updated")
        ]
        assert "Kitchen rota" in titles
        assert socket.state(stream).violations == []
    assert (await founder.http.get(path)).status_code == httpx.codes.NOT_FOUND


async def test_an_export_holds_every_word(founder: FounderClient) -> None:
    session = await founder.create_session()
    async with founder.following(session["session_id"]) as socket:
        sent = await founder.send(session["session_id"], "What is a *pain*?")
        await socket.ended(session["stream"], sent["run_id"])
        reply = socket.state(session["stream"]).reply_to(sent["run_id"])
    path = f"/v1/sessions/{session['session_id']}/export"
    markdown = await founder.http.get(path, params={"format": "md"})
    exported = await founder.http.get(path, params={"format": "json"})
    assert "What is a *pain*?" in markdown.text
    assert all(line in markdown.text for line in reply.splitlines())
    assert reply in [each["text"] for each in exported.json()["messages"]]


async def test_the_database_of_all_these_talks_is_sound(stack: Stack) -> None:
    await verify_database(stack.database)
