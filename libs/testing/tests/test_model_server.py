"""The model server keeps its promises to an ordinary HTTP client."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from libs.testing.model_script import Fault, reply_tokens
from libs.testing.model_server import ModelServer, Pace

_FAST = Pace(tokens_per_second=2_000, tokens_per_reply=12)
_OFFERED = [{"type": "function", "function": {"name": "today", "parameters": {}}}]


def _body(text: str, **more: object) -> dict[str, Any]:
    return {
        "model": "small",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": text}],
        **more,
    }


async def _events(server: ModelServer, body: dict[str, Any]) -> list[dict[str, Any]]:
    async with (
        httpx.AsyncClient() as http,
        http.stream("POST", server.url + "/chat/completions", json=body) as response,
    ):
        assert response.status_code == httpx.codes.OK
        return [
            json.loads(line.removeprefix("data: "))
            async for line in response.aiter_lines()
            if line.startswith("data: {")
        ]


async def test_a_reply_streams_the_seeds_words_and_tells_usage() -> None:
    async with ModelServer(_FAST) as server:
        events = await _events(server, _body("Hello there [seed:one]"))
        *chunks, usage = events
        words = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
        assert tuple(words[:-1]) == reply_tokens("one", 12)
        assert usage["usage"]["completion_tokens"] == 12
        assert server.requests[0].outcome == "complete"


async def test_a_tool_is_called_once_and_then_the_reply_comes() -> None:
    async with ModelServer(_FAST) as server:
        body = _body("What day is it? [tool:today]", tools=_OFFERED)
        first = await _events(server, body)
        call = first[0]["choices"][0]["delta"]["tool_calls"][0]
        assert call["function"]["name"] == "today"
        body["messages"] += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call["id"], "content": "Monday"},
        ]
        second = await _events(server, body)
        assert second[0]["choices"][0]["delta"]["content"]


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.UNAUTHORIZED, 401),
        (Fault.RATE_LIMITED, 429),
        (Fault.SERVER_ERROR, 500),
        (Fault.CONTEXT_EXCEEDED, 400),
    ],
)
async def test_a_refusal_has_its_status(fault: Fault, status: int) -> None:
    async with ModelServer(_FAST) as server, httpx.AsyncClient() as http:
        answer = await http.post(
            server.url + "/chat/completions", json=_body(f"Hi [fault:{fault}]")
        )
        assert answer.status_code == status
        assert ("retry-after" in answer.headers) is (status == 429)
        assert server.requests[0].outcome == fault


async def test_a_cut_breaks_the_stream_after_some_words() -> None:
    async with ModelServer(_FAST) as server:
        server.faults.append(Fault.CUT_MIDWAY)
        with pytest.raises(httpx.TransportError):
            await _events(server, _body("Hi"))
        assert len(await _events(server, _body("Hi"))) == 14


@pytest.mark.parametrize("fault", [Fault.STALL_FIRST, Fault.STALL_MIDWAY, None])
async def test_a_client_that_leaves_early_is_noticed(fault: Fault | None) -> None:
    async with ModelServer(Pace(tokens_per_second=20)) as server:
        server.faults.append(fault)
        reading = asyncio.create_task(_events(server, _body("Hi")))
        async with asyncio.timeout(10):
            while not server.requests:
                await asyncio.sleep(0.01)
            reading.cancel()
            await server.requests[0].ended.wait()
        assert server.requests[0].outcome == "client_closed"
        await asyncio.gather(reading, return_exceptions=True)
