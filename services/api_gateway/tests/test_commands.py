"""A command repeated is a command carried out once."""

import asyncio
from http import HTTPStatus
from pathlib import Path
from uuid import UUID, uuid4

import httpx

from services.api_gateway.store import WhenBusy
from services.api_gateway.tests.gateway import (
    RunningGateway,
    config_for,
    new_session,
    open_gateway,
    problem_of,
    say,
)
from services.api_gateway.wire.commands import CreateSession, SendMessage


async def test_a_message_sent_a_hundred_times_at_once_is_stored_once(
    http: httpx.AsyncClient,
) -> None:
    session = await new_session(http)
    path = f"/v1/sessions/{session['session_id']}/messages"
    body = {"request_id": str(uuid4()), "text": "  Shared kitchens stay dirty.\n"}
    answers = await asyncio.gather(*(http.post(path, json=body) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {HTTPStatus.ACCEPTED}
    assert len({answer.text for answer in answers}) == 1
    messages = (await http.get(path)).json()["messages"]
    assert [message["text"] for message in messages] == ["Shared kitchens stay dirty."]
    assert messages[0]["message_id"] == answers[0].json()["message_id"]


async def test_a_session_created_a_hundred_times_at_once_is_one(
    http: httpx.AsyncClient,
) -> None:
    body = {"request_id": str(uuid4()), "title": "Kitchens", "opening": False}
    answers = await asyncio.gather(
        *(http.post("/v1/sessions", json=body) for _ in range(100))
    )
    assert {answer.status_code for answer in answers} == {HTTPStatus.CREATED}
    assert len({answer.json()["session_id"] for answer in answers}) == 1
    assert len((await http.get("/v1/sessions")).json()["sessions"]) == 1


async def test_the_body_is_compared_by_its_values(http: httpx.AsyncClient) -> None:
    session = await new_session(http)
    path = f"/v1/sessions/{session['session_id']}/messages"
    request_id = str(uuid4())
    first = await http.post(path, json={"request_id": request_id, "text": "hello"})
    spaced = f'{{ "text" : "hel\\u006co ", "request_id": "{request_id.upper()}" }}'
    headers = {"Content-Type": "application/json"}
    same = await http.post(path, content=spaced, headers=headers)
    assert same.text == first.text
    other = await http.post(path, json={"request_id": request_id, "text": "bye"})
    assert other.status_code == HTTPStatus.CONFLICT
    assert problem_of(other)["code"] == "request_id_reused"


async def test_a_request_id_counts_whichever_way_it_comes(
    gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    founder_id = (await http.get("/v1/founder")).json()["founder_id"]
    request_id = uuid4()
    created = await gateway.context.commands.execute(
        founder_id,
        CreateSession(type="session.create", request_id=request_id, opening=False),
    )
    again = await new_session(http, request_id=str(request_id))
    assert again["session_id"] == created.session_id

    path = f"/v1/sessions/{created.session_id}/messages"
    message = {"request_id": str(uuid4()), "text": "hello"}
    accepted = (await http.post(path, json=message)).json()
    ack = await gateway.context.commands.execute(
        founder_id,
        SendMessage(
            type="message.send",
            request_id=UUID(message["request_id"]),
            session_id=created.session_id or "",
            text=message["text"],
        ),
    )
    assert (ack.message_id, ack.run_id, ack.seq) == (
        accepted["message_id"],
        accepted["run_id"],
        accepted["seq"],
    )


async def test_two_founders_may_use_the_same_request_id(
    gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    request_id = str(uuid4())
    mine = await new_session(http, request_id=request_id)
    async with gateway.http(await gateway.new_token()) as other:
        theirs = await new_session(other, request_id=request_id)
    assert mine["session_id"] != theirs["session_id"]


async def test_more_messages_than_may_wait_are_refused(
    http: httpx.AsyncClient,
) -> None:
    session = await new_session(http)
    path = f"/v1/sessions/{session['session_id']}/messages"
    positions = []
    for number in range(4):
        body = {"request_id": str(uuid4()), "text": f"message {number}"}
        answer = await http.post(path, json=body)
        assert answer.status_code == HTTPStatus.ACCEPTED
        positions.append(answer.json()["position"])
    assert positions == [None, 1, 2, 3]
    refused = await http.post(
        path, json={"request_id": str(uuid4()), "text": "one more"}
    )
    assert refused.status_code == HTTPStatus.CONFLICT
    problem = problem_of(refused)
    assert (problem["code"], problem["retryable"]) == ("queue_full", True)


async def test_a_waiting_run_can_be_cancelled(http: httpx.AsyncClient) -> None:
    session = await new_session(http)
    path = f"/v1/sessions/{session['session_id']}/messages"
    runs = []
    for number in range(2):
        body = {"request_id": str(uuid4()), "text": f"message {number}"}
        runs.append((await http.post(path, json=body)).json()["run_id"])
    cancel = f"/v1/runs/{runs[1]}/cancel"
    body = {"request_id": str(uuid4())}
    cancelled = await http.post(cancel, json=body)
    assert cancelled.status_code == HTTPStatus.ACCEPTED
    assert cancelled.json()["state"] == "cancelled"
    assert (await http.post(cancel, json=body)).text == cancelled.text
    told = (await http.get(f"/v1/runs/{runs[1]}")).json()
    assert told["state"] == "cancelled"


async def test_a_message_may_interrupt_what_the_session_does(tmp_path: Path) -> None:
    config = config_for(tmp_path, when_busy=WhenBusy.INTERRUPT)
    async with (
        open_gateway(config) as gateway,
        gateway.http(await gateway.new_token()) as http,
    ):
        session = await new_session(http)
        first = (await say(http, session["session_id"], "one")).json()
        path = f"/v1/sessions/{session['session_id']}/messages"
        body = {"request_id": str(uuid4()), "text": "two"}
        second = (await http.post(path, json=body)).json()
        assert await _state(http, first) == "cancelled"
        third = (await say(http, session["session_id"], "three")).json()
        assert await _state(http, second) == "cancelled"
        # Repeating the second interrupts nothing that came after it.
        assert (await http.post(path, json=body)).json() == second
        assert await _state(http, third) not in {"cancelled", "failed"}


async def test_a_message_may_be_refused_while_the_session_is_busy(
    tmp_path: Path,
) -> None:
    config = config_for(tmp_path, when_busy=WhenBusy.REFUSE)
    async with (
        open_gateway(config) as gateway,
        gateway.http(await gateway.new_token()) as http,
    ):
        session = await new_session(http)
        assert (await say(http, session["session_id"], "one")).is_success
        refused = await say(http, session["session_id"], "two")
        assert refused.status_code == HTTPStatus.CONFLICT
        problem = problem_of(refused)
        assert (problem["code"], problem["retryable"]) == ("session_busy", True)


async def _state(http: httpx.AsyncClient, accepted: dict[str, str]) -> str:
    state: str = (await http.get(f"/v1/runs/{accepted['run_id']}")).json()["state"]
    return state
