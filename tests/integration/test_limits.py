"""What is refused, how it is said, and that saying it changes nothing."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from libs.testing.client import FounderClient
from libs.testing.socket_client import SUBPROTOCOL
from libs.testing.stack import Stack

_FOREIGN = Origin("https://elsewhere.example")
_HELLO = '{"type": "hello", "streams": []}'


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run a stack whose limits are soon reached."""
    directory: Path = tmp_path_factory.mktemp("strict")
    limits = {
        "VB_GATEWAY_LIMITS__MESSAGES_PER_MINUTE": "2",
        "VB_GATEWAY_LIMITS__SESSIONS_PER_HOUR": "3",
        "VB_GATEWAY_LIMITS__SOCKETS_PER_FOUNDER": "2",
    }
    stack = Stack(directory, gateway_settings=limits, tokens_per_second=1_000)
    asyncio.run(stack.start())
    try:
        yield stack
    finally:
        stack.stop()


async def test_the_third_message_of_a_minute_is_told_when_to_come_back(
    strict: Stack,
) -> None:
    async with await FounderClient.arrive(strict.url) as founder:
        session = await founder.create_session()
        for text in ("One", "Two"):
            await founder.send(session["session_id"], text)
        path = f"/v1/sessions/{session['session_id']}/messages"
        refused = await founder.post(path, text="Three")
        assert refused.status_code == httpx.codes.TOO_MANY_REQUESTS
        assert refused.json()["code"] == "rate_limited"
        assert refused.json()["retryable"] is True
        assert int(refused.headers["retry-after"]) >= 1
        said = [each["text"] for each in await founder.messages(session["session_id"])]
        assert "Three" not in said


async def test_sessions_and_sockets_of_a_founder_are_counted(strict: Stack) -> None:
    async with await FounderClient.arrive(strict.url) as founder:
        for _ in range(3):
            await founder.create_session()
        refused = await founder.post("/v1/sessions", opening=False)
        assert refused.status_code == httpx.codes.TOO_MANY_REQUESTS
        async with founder.socket() as one, founder.socket() as two:
            await one.until(lambda: one.connections == 1)
            await two.until(lambda: two.connections == 1)
            assert await _close_code(founder, _HELLO) == 4429


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"text": ""}, "text"),
        ({"text": " \n "}, "text"),
        ({"text": "a" * 8_001}, "text"),
        ({"text": "bell \a"}, "text"),
        ({"text": "half \ud83d"}, "text"),
        ({"text": "fine", "mood": "good"}, "mood"),
        ({}, "text"),
        ({"text": "fine", "request_id": "seven"}, "request_id"),
    ],
)
async def test_a_wrong_message_is_refused_naming_the_field(
    stack: Stack, founder: FounderClient, body: dict[str, str], named: str
) -> None:
    assert stack.gateway.is_running
    session = await founder.create_session()
    path = f"/v1/sessions/{session['session_id']}/messages"
    refused = await founder.post(path, **body)
    assert refused.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert refused.headers["content-type"].startswith("application/problem+json")
    assert named in refused.text
    async with founder.socket() as socket:
        answer = await socket.command(
            "message.send", session_id=session["session_id"], **body
        )
        assert answer["type"] == "error"
        assert socket.closes == [], "a bad command never closes the socket"
    assert await founder.messages(session["session_id"]) == []


async def test_text_is_stored_as_trimmed_at_its_full_length(
    founder: FounderClient,
) -> None:
    session = await founder.create_session()
    text = "\N{KEY}" * 7_997 + "\n\t"
    await founder.send(session["session_id"], f"  {text}é")
    [message, *_] = await founder.messages(session["session_id"])
    assert message["text"] == f"{text}é"


async def test_a_body_beyond_the_limit_is_refused(founder: FounderClient) -> None:
    session = await founder.create_session()
    path = f"/v1/sessions/{session['session_id']}/messages"
    refused = await founder.post(path, text="a" * 140_000)
    assert refused.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
    assert refused.headers["content-type"].startswith("application/problem+json")


async def _close_code(
    founder: FounderClient,
    first: str,
    *,
    token: str = "",
    subprotocols: Sequence[Subprotocol] | None = (SUBPROTOCOL,),
    origin: Origin | None = None,
) -> int:
    """Open a socket, send a frame and read; returns how it was refused."""
    url = founder.url.replace("http", "ws", 1) + "/v1/socket"
    headers = {"Authorization": f"Bearer {token or founder.token}"}
    try:
        async with connect(
            url,
            additional_headers=headers,
            proxy=None,
            subprotocols=subprotocols,
            origin=origin,
        ) as socket:
            await socket.send(first)
            while True:
                await socket.recv()
    except InvalidStatus as refused:
        return refused.response.status_code
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ("not json", 4400),
        ("[]", 4400),
        ('{"type": "ping"}', 4400),
        (json.dumps({"type": "hello", "pad": "a" * 140_000}), 4413),
    ],
)
async def test_a_bad_first_frame_closes_with_its_code(
    founder: FounderClient, first: str, code: int
) -> None:
    assert await _close_code(founder, first) == code


async def test_a_socket_without_a_founder_is_closed_with_its_code(
    founder: FounderClient,
) -> None:
    assert await _close_code(founder, _HELLO, token=uuid4().hex) == 4401


async def test_a_socket_without_the_subprotocol_is_refused(
    founder: FounderClient,
) -> None:
    assert await _close_code(founder, _HELLO, subprotocols=None) in {400, 403, 1002}


async def test_a_foreign_page_cannot_open_a_socket_or_send(
    founder: FounderClient,
) -> None:
    session = await founder.create_session()
    path = f"/v1/sessions/{session['session_id']}/messages"
    refused = await founder.http.post(
        path, json={"text": "Hi"}, headers={"Origin": _FOREIGN}
    )
    assert refused.status_code == httpx.codes.FORBIDDEN
    assert await _close_code(founder, _HELLO, origin=_FOREIGN) in {403, 4403}
