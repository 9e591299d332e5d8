"""Sessions and messages as a founder handles them over HTTP."""

import base64
from http import HTTPStatus
from uuid import uuid4

import httpx
import pytest

from services.api_gateway.tests.gateway import (
    RunningGateway,
    answer_run,
    new_session,
    problem_of,
    say,
)


async def _titles(http: httpx.AsyncClient, **params: str | int | bool) -> list[str]:
    answer = await http.get("/v1/sessions", params=params)
    return [each["title"] for each in answer.raise_for_status().json()["sessions"]]


async def test_sessions_are_listed_page_by_page_the_last_used_first(
    http: httpx.AsyncClient,
) -> None:
    for number in range(5):
        await new_session(http, title=f"Venture {number}")
    seen: list[str] = []
    cursor: str | None = None
    pages = 0
    while True:
        params: dict[str, str | int] = {"limit": 2}
        if cursor is not None:
            params["cursor"] = cursor
        page = (await http.get("/v1/sessions", params=params)).json()
        seen += [session["title"] for session in page["sessions"]]
        cursor = page["next_cursor"]
        pages += 1
        if cursor is None:
            break
    assert pages == 3
    assert seen == [f"Venture {number}" for number in (4, 3, 2, 1, 0)]


async def test_sessions_are_searched_by_title(http: httpx.AsyncClient) -> None:
    for title in ("Clean Kitchens", "100% kitchen", "under_score", "Bikes"):
        await new_session(http, title=title)
    assert await _titles(http, q="kitchen") == ["100% kitchen", "Clean Kitchens"]
    assert await _titles(http, q="%") == ["100% kitchen"]
    assert await _titles(http, q="r_s") == ["under_score"]
    assert await _titles(http, q="nothing") == []
    assert len(await _titles(http, q="  ")) == 4


async def test_a_session_is_renamed_archived_and_deleted(
    http: httpx.AsyncClient,
) -> None:
    session = await new_session(http, title="Old")
    path = f"/v1/sessions/{session['session_id']}"
    renamed = await http.patch(path, json={"title": " New "})
    assert renamed.json()["title"] == "New"
    archived = await http.patch(path, json={"archived": True})
    assert (archived.json()["title"], archived.json()["archived"]) == ("New", True)
    assert await _titles(http) == []
    assert await _titles(http, archived=True) == ["New"]
    await http.patch(path, json={"archived": False, "request_id": str(uuid4())})
    assert await _titles(http) == ["New"]

    for _ in range(2):
        gone = await http.delete(path)
        assert gone.status_code == HTTPStatus.NO_CONTENT
        assert gone.content == b""
    never = f"/v1/sessions/{uuid4()}"
    for answer in (await http.get(path), await http.delete(never)):
        assert problem_of(answer)["code"] == "session_unknown"
    log = await http.get(f"/v1/streams/{session['stream']}/events")
    assert problem_of(log)["code"] == "stream_unknown"


@pytest.mark.parametrize(
    "params",
    [
        {"cursor": "nonsense"},
        {"cursor": "e30="},
        {"cursor": "\x00"},
        {"cursor": base64.urlsafe_b64encode(b"9" * 40 + b"|x|y").decode()},
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "many"},
        {"archived": "perhaps"},
        {"q": "x" * 121},
    ],
)
async def test_a_list_nobody_can_make_sense_of_is_refused(
    http: httpx.AsyncClient, params: dict[str, str]
) -> None:
    answer = await http.get("/v1/sessions", params=params)
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert next(iter(params)) in problem_of(answer)["detail"]


async def test_a_message_is_stored_as_trimmed(http: httpx.AsyncClient) -> None:
    session = await new_session(http)
    path = f"/v1/sessions/{session['session_id']}/messages"
    texts = ["x" * 8_000, "\U0001f600" * 8_000, "a\n\tb", "e\u0301 \u200f\u05d0"]
    for text in texts:
        answer = await say(http, session["session_id"], f" \n{text}\t ")
        assert answer.status_code == HTTPStatus.ACCEPTED, answer.text[:300]
    page = (await http.get(path)).json()
    assert [message["text"] for message in page["messages"]] == texts
    assert page["last_seq"] >= page["messages"][-1]["seq"]
    assert page["epoch"]
    assert not page["has_more"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t ",
        "x" * 8_001,
        "\U0001f600" * 8_001,
        "a\u0000b",
        "a\rb",
        "a\x1b[31mb",
        "a\x7fb",
        "a\x85b",
        "a\ud800b",
        "\udfff",
    ],
    ids=range(11),
)
async def test_what_is_no_text_is_refused_and_not_stored(
    http: httpx.AsyncClient, text: str
) -> None:
    session = await new_session(http)
    answer = await say(http, session["session_id"], text)
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert problem_of(answer)["errors"][0]["path"] == "body.text"
    page = await http.get(f"/v1/sessions/{session['session_id']}/messages")
    assert page.json()["messages"] == []


async def test_the_log_is_read_from_a_cursor(http: httpx.AsyncClient) -> None:
    session = await new_session(http)
    await say(http, session["session_id"], "hello")
    path = f"/v1/streams/{session['stream']}/events"
    whole = (await http.get(path)).json()
    seqs = [event["seq"] for event in whole["events"]]
    assert seqs == list(range(1, whole["last_seq"] + 1))
    rest = (await http.get(path, params={"after_seq": 1, "limit": 1})).json()
    assert rest["events"] == whole["events"][1:2]
    beyond = (await http.get(path, params={"after_seq": 99})).json()
    assert beyond["events"] == []
    assert beyond["last_seq"] == whole["last_seq"]
    for params in ({"after_seq": -1}, {"after_seq": 2**63}, {"limit": 0}):
        refused = await http.get(path, params=params)
        assert problem_of(refused)["code"] == "invalid"


async def test_a_cursor_the_log_no_longer_reaches_is_gone(
    gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    session = await new_session(http)
    accepted = (await say(http, session["session_id"], "hello")).json()
    reply = await answer_run(gateway, accepted["run_id"], "Hi.")
    path = f"/v1/streams/{session['stream']}/events"
    last_seq = (await http.get(path)).json()["last_seq"]
    assert await gateway.context.store.compact(older_than_seconds=-60, limit=1_000)
    gone = await http.get(path, params={"after_seq": 1})
    assert gone.status_code == HTTPStatus.GONE
    assert problem_of(gone)["code"] == "cursor_compacted"
    rest = await http.get(path, params={"after_seq": last_seq})
    assert rest.json()["events"] == []

    rated = await http.post(
        f"/v1/messages/{reply}/feedback",
        json={"request_id": str(uuid4()), "value": "up"},
    )
    assert rated.json() == {"message_id": reply, "seq": last_seq + 1}


async def test_the_founders_own_message_is_not_rated(http: httpx.AsyncClient) -> None:
    session = await new_session(http)
    accepted = (await say(http, session["session_id"], "hello")).json()
    answer = await http.post(
        f"/v1/messages/{accepted['message_id']}/feedback",
        json={"request_id": str(uuid4()), "value": "up"},
    )
    assert answer.status_code == HTTPStatus.CONFLICT
    assert problem_of(answer)["code"] == "message_not_ratable"
