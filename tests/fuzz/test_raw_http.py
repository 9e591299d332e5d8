"""Bytes that are hardly HTTP and bodies that are hardly JSON: never a 500."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from libs.testing.client import FounderClient
from libs.testing.stack import Stack
from tests.fuzz.effort import EFFORTS, Effort

_ANSWER: Final = re.compile(rb"HTTP/1\.1 (\d{3})")
_EXAMPLES: Final = 100
_ID: Final = "5f3759df-0c1b-4e6a-9d1c-3f6a1c2d4e5f"

_BODIES: Final = {
    "broken": b'{"text": "a',
    "nothing": b"",
    "a word": b"nul",
    "not UTF-8": b'{"text": "\xff\xfe"}',
    "UTF-16": '{"text": "a"}'.encode("utf-16"),
    "a mark before": b'\xef\xbb\xbf{"text": "a"}',
    "NUL": b'{"text": "a\x00b"}',
    "an escaped NUL": b'{"text": "a\\u0000b"}',
    "half a character": b'{"text": "\\ud83d"}',
    "half a character as a name": b'{"\\ud83d": 1}',
    "deep lists": b"[" * 60_000 + b"]" * 60_000,
    "deep objects": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    "deep below a field": b'{"text": ' + b"[" * 60_000 + b"]" * 60_000 + b"}",
    "a name twice": b'{"text": "a", "text": "b", "request_id": "x"}',
    "an endless number": b'{"text": 1e400, "request_id": -1e400}',
    "no number": b'{"text": NaN, "opening": Infinity}',
    "a huge integer": b'{"text": ' + b"9" * 100_000 + b"}",
    "a list": b"[1, 2, 3]",
    "a string": b'"text"',
    "many fields": json.dumps({f"f{n}": n for n in range(9_000)}).encode(),
    "a huge identifier": b'{"request_id": "' + b"0" * 100_000 + b'"}',
    "a huge UUID": b'{"request_id": ' + b"1" * 4_000 + b"}",
}


async def _answers(
    port: int, request: bytes, *, quiet_seconds: float = 5
) -> tuple[list[int], bytes]:
    """Send bytes; the statuses of all answers, and all bytes.

    Reads until the gateway closes, or until nothing has come for a while.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = b""
    try:
        writer.write(request)
        with suppress(ConnectionError, TimeoutError):
            while piece := await asyncio.wait_for(reader.read(65_536), quiet_seconds):
                received += piece
    finally:
        writer.transport.abort()
    return [int(status) for status in _ANSWER.findall(received)], received


@pytest.fixture
async def founder(stack: Stack) -> AsyncIterator[FounderClient]:
    """Arrive as a new founder."""
    async with await FounderClient.arrive(stack.url) as client:
        yield client


@pytest.mark.parametrize("body", _BODIES.values(), ids=_BODIES)
@pytest.mark.parametrize(
    "path",
    ["/v1/founder", "/v1/sessions", f"/v1/sessions/{_ID}/messages"],
    ids=["founder", "session", "message"],
)
async def test_a_body_that_is_hardly_json_is_refused_with_a_problem(
    founder: FounderClient, path: str, body: bytes
) -> None:
    for method in ("POST", "PATCH", "DELETE"):
        answer = await founder.http.request(
            method, path, content=body, headers={"Content-Type": "application/json"}
        )
        is_founder = path == "/v1/founder" and method == "POST" and not body
        assert is_founder or 400 <= answer.status_code < 500, answer.text
        if answer.is_error:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == answer.status_code
            assert len(answer.content) < 20_000


_TOKEN: Final = st.text("ABCGETPOSTDLHUN xyz/-_\x00\x7f\u00e9", min_size=1, max_size=9)
_TARGET: Final = st.one_of(
    st.sampled_from(
        ["/v1/sessions", "/v1/status", "*", "/v1/socket", "/config.js", "/", "/v1/%00"]
    ),
    st.text("/v1sessions%0\\.?#&=;:@[]{}\u00e9\n ", max_size=40).map("/".__add__),
)
_FIELD: Final = st.one_of(
    st.sampled_from(
        [
            "Content-Length: 5",
            "Content-Length: 99999999999999999999999",
            "Content-Length: +5",
            "Content-Length: 5, 6",
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked, identity",
            "Content-Type: application/json",
            "Content-Type: application/json; charset=utf-7",
            "Content-Type: multipart/form-data; boundary=x",
            "Content-Encoding: gzip",
            "Expect: 100-continue",
            "Connection: upgrade",
            "Connection: close",
            "Upgrade: websocket",
            "Upgrade: h2c",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Version: 99",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Protocol: vb.v1",
            "Host: ",
            "Host: [::1",
            "Origin: http://[",
            "Cookie: =;=;=,\x01",
            "Cookie: $Version=1; a=\\",
            "Authorization: Bearer",
            "Authorization: Bearer \u00ff\u00fe",
            "X-Forwarded-For: ,,,",
            "X-Request-Id: a\tb",
            "Range: bytes=-1",
            "If-None-Match: *",
            "Last-Event-ID: \u00e9:1",
            "Accept-Encoding: br;q=2",
        ]
    ),
    st.builds("{}: {}".format, _TOKEN, st.text(max_size=60)),
)
_BODY: Final = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [
            b"0\r\n\r\n",
            b"5\r\nhello\r\n0\r\n\r\n",
            b"5\r\nhel\r\n0\r\n\r\n",
            b"ffffffffffffffffff\r\n",
            b"-1\r\n\r\n",
            b"5;ext=" + b"x" * 5_000 + b"\r\nhello\r\n0\r\nA: b\r\n\r\n",
            *_BODIES.values(),
        ]
    ),
)
_METHOD: Final = st.one_of(
    st.sampled_from(
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"]
    ),
    _TOKEN,
)
_REQUEST: Final = st.builds(
    lambda method, target, fields, body: (
        "\r\n".join([f"{method} {target} HTTP/1.1", *fields, "\r\n"]).encode(
            "latin-1", "replace"
        )
        + body
    ),
    _METHOD,
    _TARGET,
    st.lists(_FIELD, max_size=7),
    _BODY,
)


@pytest.mark.parametrize("effort", EFFORTS)
def test_any_bytes_get_refusals_or_nothing_and_harm_nobody(
    stack: Stack, effort: Effort
) -> None:
    process = stack.gateway.pid

    @effort.settings(_EXAMPLES)
    @given(requests=st.lists(st.one_of(_REQUEST, st.binary(max_size=300)), max_size=3))
    @example(requests=[b"GET / HTTP/1.1\r\n\r\n" * 200])
    def survives(requests: list[bytes]) -> None:
        statuses, received = asyncio.run(
            _answers(stack.gateway.port, b"".join(requests), quiet_seconds=0.05)
        )
        assert not [status for status in statuses if status >= 500], received

    survives()
    assert stack.gateway.pid == process
    assert stack.gateway.is_running
    assert "Traceback" not in stack.gateway.log_path.read_text("utf-8", "replace")


async def test_commands_sent_as_one_pipeline_are_answered_in_order(
    founder: FounderClient, stack: Stack
) -> None:
    session = await founder.create_session()
    path = f"/v1/sessions/{session['session_id']}"
    titles = [f"Title {number}" for number in range(30)]
    requests = [_patch(path, founder.token, {"title": title}) for title in titles]
    last = _patch(path, founder.token, {"title": "End"}, b"Connection: close\r\n")
    statuses, received = await _answers(stack.gateway.port, b"".join([*requests, last]))
    assert statuses == [200] * 31
    told = re.findall(rb'"title":"([^"]*)"', received)
    assert [title.decode() for title in told] == [*titles, "End"]


def _patch(path: str, token: str, body: dict[str, Any], more: bytes = b"") -> bytes:
    content = json.dumps(body | {"request_id": str(uuid4())}).encode()
    head = (
        f"PATCH {path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    )
    return head.encode() + more + b"\r\n" + content
