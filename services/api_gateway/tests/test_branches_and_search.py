"""Pins, branches and search as a founder's page uses them."""

from http import HTTPStatus
from uuid import uuid4

import httpx

from services.api_gateway.tests.gateway import (
    RunningGateway,
    new_session,
    problem_of,
    say,
)


async def test_a_pinned_session_stands_first(http: httpx.AsyncClient) -> None:
    first = await new_session(http, title="First")
    await new_session(http, title="Second")
    path = f"/v1/sessions/{first['session_id']}"
    pinned = (await http.patch(path, json={"pinned": True})).raise_for_status().json()
    assert (pinned["pinned"], pinned["title"]) == (True, "First")
    page = (await http.get("/v1/sessions")).json()
    assert [each["title"] for each in page["sessions"]] == ["First", "Second"]


async def test_a_branch_is_a_session_that_leads_back(http: httpx.AsyncClient) -> None:
    session = await new_session(http, title="Queues")
    await say(http, session["session_id"], "one")
    two = (await say(http, session["session_id"], "two")).json()
    path = f"/v1/sessions/{session['session_id']}/branches"
    body = {
        "request_id": str(uuid4()),
        "message_id": two["message_id"],
        "text": "otherwise",
    }
    answers = [await http.post(path, json=body) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {HTTPStatus.CREATED}
    assert answers[0].json() == answers[1].json()
    branched = answers[0].json()
    branch = branched["session"]
    assert branch["branched_from"] == {
        "session_id": session["session_id"],
        "message_id": two["message_id"],
        "left_out": 0,
    }
    page = (await http.get(f"/v1/sessions/{branch['session_id']}/messages")).json()
    assert [each["text"] for each in page["messages"]] == ["one", "otherwise"]
    assert page["messages"][1]["request_id"] == body["request_id"]
    exported = await http.get(f"/v1/sessions/{branch['session_id']}/export")
    assert "> one" in exported.text
    refused = await http.post(path, json=body | {"text": "again"})
    assert problem_of(refused)["code"] == "request_id_reused"


async def test_search_shows_where_the_words_stand(
    http: httpx.AsyncClient, gateway: RunningGateway
) -> None:
    session = await new_session(http, title="Lunch queues")
    text = "People wait 20 minutes for lunch."
    sent = (await say(http, session["session_id"], text)).json()
    found = (await http.get("/v1/search", params={"q": "lun"})).json()
    title, message = found["hits"]
    assert title["message"] is None
    assert title["session"]["title"] == "Lunch queues"
    assert message["message"]["message_id"] == sent["message_id"]
    assert message["message"]["snippet"] == [
        {"text": "People wait 20 minutes for ", "is_match": False},
        {"text": "lunch", "is_match": True},
        {"text": ".", "is_match": False},
    ]
    async with gateway.http(await gateway.new_token()) as other:
        answer = await other.get("/v1/search", params={"q": "lun"})
        assert answer.json() == {"hits": [], "next_cursor": None}


async def test_a_search_for_nothing_finds_nothing(http: httpx.AsyncClient) -> None:
    for query in ("", "  ", "😀", '"*', "x" * 8_000):
        answer = await http.get("/v1/search", params={"q": query})
        assert answer.json() == {"hits": [], "next_cursor": None}
    for params in ({"q": "x" * 8_001}, {"q": "x", "cursor": "there"}, {"limit": "0"}):
        answer = await http.get("/v1/search", params=params)
        assert problem_of(answer)["code"] == "invalid"
