"""The adapter for OpenAI-compatible servers, against a real one on loopback."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from libs.crewspec.compiled import ModelDocument
from services.orchestrator.errors import (
    LLMBadOutputError,
    LLMContextExceededError,
    LLMError,
    LLMRateLimitedError,
    LLMTimeoutError,
    LLMUnauthorizedError,
    LLMUnavailableError,
)
from services.orchestrator.runtime.llm.base import Completion
from services.orchestrator.runtime.llm.openai_compatible import OpenAICompatibleLLM
from services.orchestrator.runtime.tests.scripted_model import (
    Reply,
    ScriptedModel,
    call_of,
)

_MESSAGES = [{"role": "user", "content": "Hello"}]
_JSON = {"content-type": "application/json"}
_HELLO = Reply(pieces=("Hel", "lo ", "👋"))


@asynccontextmanager
async def _llm(document: ModelDocument) -> AsyncIterator[OpenAICompatibleLLM]:
    llm = OpenAICompatibleLLM(document)
    try:
        yield llm
    finally:
        await llm.aclose()


async def _ask(
    server: ScriptedModel, **changes: Any
) -> tuple[Completion | LLMError, list[str]]:
    """One call: what it came to and the pieces that were streamed."""
    pieces: list[str] = []
    async with _llm(server.document(**changes)) as llm:
        try:
            return await llm.complete(_MESSAGES, [], pieces.append), pieces
        except LLMError as error:
            return error, pieces


async def test_text_streams_piece_by_piece_with_usage() -> None:
    async with ScriptedModel(_HELLO) as server:
        result, pieces = await _ask(server, temperature_milli=300, max_output_tokens=9)
    assert pieces == ["Hel", "lo ", "👋"]
    assert isinstance(result, Completion)
    assert result.text == "Hello 👋"
    assert result.usage is not None
    assert (result.usage.prompt_tokens, result.usage.completion_tokens) == (7, 3)
    request = server.requests[0]
    assert request["stream"] is True
    assert request["stream_options"] == {"include_usage": True}
    assert (request["temperature"], request["max_tokens"]) == (0.3, 9)
    assert "tools" not in request


async def test_characters_cut_in_two_are_whole_again() -> None:
    halves = Reply(pieces=("Hi \ud83d", "\udc4b", " you", "\ud83d!", "\udc4b."))
    async with ScriptedModel(halves) as server:
        result, pieces = await _ask(server)
    assert isinstance(result, Completion)
    assert result.text == "".join(pieces) == "Hi 👋 you\ufffd!\ufffd."


@pytest.mark.parametrize("told", ["-1", "1e999", "NaN", '"many"', "1" + "0" * 30])
async def test_a_senseless_usage_spoils_no_answer(told: str) -> None:
    body = (
        b'{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}],'
        b' "usage": {"prompt_tokens": %b, "completion_tokens": 3}}' % told.encode()
    )
    async with ScriptedModel(Reply(body=body, headers=_JSON)) as server:
        result, pieces = await _ask(server)
    assert pieces == ["Hi"]
    assert isinstance(result, Completion)
    assert result.usage is not None
    assert 0 <= result.usage.prompt_tokens < 2**32
    assert result.usage.completion_tokens == 3


def test_it_works_on_uvloop_as_well() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def ask_twice() -> list[list[str]]:
        async with ScriptedModel(_HELLO) as server:
            return [(await _ask(server))[1] for _ in range(2)]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(ask_twice()) == [["Hel", "lo ", "👋"]] * 2


async def test_tool_calls_are_joined_from_their_parts() -> None:
    first = call_of("explain_framework", topic="pain")
    arguments = first["function"]["arguments"]
    parts = (
        {**first, "function": {"name": "explain_framework", "arguments": ""}},
        {"index": 0, "function": {"arguments": arguments[:5]}},
        {"index": 0, "function": {"arguments": arguments[5:]}},
        call_of("pain_gaps", index=1, known=[]),
    )
    async with ScriptedModel(Reply(tool_calls=parts)) as server:
        result, _ = await _ask(server)
    assert isinstance(result, Completion)
    names = [call["function"]["name"] for call in result.tool_calls]
    assert names == ["explain_framework", "pain_gaps"]
    assert json.loads(result.tool_calls[0]["function"]["arguments"]) == {
        "topic": "pain"
    }


async def test_one_connection_serves_one_request_after_the_other() -> None:
    async with ScriptedModel(_HELLO) as server, _llm(server.document()) as llm:
        for _ in range(5):
            await llm.complete(_MESSAGES, [], lambda _piece: None)
    assert len(server.requests) == 5
    assert server.connections == 1


@pytest.mark.parametrize(
    ("reply", "kind", "requests"),
    [
        (Reply(status=401), LLMUnauthorizedError, 1),
        (Reply(status=403), LLMUnauthorizedError, 1),
        (Reply(status=429), LLMRateLimitedError, 3),
        (Reply(status=500), LLMUnavailableError, 3),
        (Reply(status=404), LLMUnavailableError, 1),
        (Reply(status=307, headers={"location": "/v1/else"}), LLMUnavailableError, 1),
        (
            Reply(
                status=400, body=b'{"error": {"code": "context_length_exceeded"}}'
            ),
            LLMContextExceededError,
            1,
        ),
        (Reply(body=b"<html>", headers={"content-type": "text/html"}),
         LLMBadOutputError, 1),
        (Reply(body=b"data: {not json\n\n"), LLMBadOutputError, 1),
        (Reply(body=b"data: [1, 2]\n\n"), LLMBadOutputError, 1),
        (Reply(body=b'data: {"choices": [{"delta": {"content": 5}}]}\n\n'),
         LLMBadOutputError, 1),
        (Reply(body=b'data: {"error": {"type": "overloaded"}}\n\n'),
         LLMUnavailableError, 1),
        (Reply(body=b"data: [DONE]\n\n"), LLMBadOutputError, 1),
        (Reply(body=b"{}", headers=_JSON), LLMUnavailableError, 1),
        (Reply(is_cut=True), LLMUnavailableError, 3),
        (Reply(pieces=("Hel",), is_cut=True), LLMUnavailableError, 1),
        (Reply(is_silent=True), LLMTimeoutError, 1),
        (Reply(pieces=("Hel",), stalls=True), LLMTimeoutError, 1),
    ],
)  # fmt: skip
async def test_each_fault_has_its_code_and_is_retried_only_where_that_helps(
    reply: Reply, kind: type[LLMError], requests: int
) -> None:
    async with ScriptedModel(reply) as server:
        result, pieces = await _ask(
            server,
            max_retries=2,
            first_token_timeout_seconds=1,
            idle_timeout_seconds=1,
        )
    assert type(result) is kind
    assert len(server.requests) == requests
    assert pieces == list(reply.pieces)


async def test_a_server_that_recovers_is_not_noticed() -> None:
    async with ScriptedModel(Reply(status=503), Reply(is_cut=True), _HELLO) as server:
        result, pieces = await _ask(server)
    assert isinstance(result, Completion)
    assert "".join(pieces) == "Hello 👋"
    assert len(server.requests) == 3


async def test_retry_after_is_honoured() -> None:
    limited = Reply(status=429, headers={"retry-after": "1"})
    loop = asyncio.get_running_loop()
    async with ScriptedModel(limited, _HELLO) as server:
        began = loop.time()
        result, _ = await _ask(server)
    assert isinstance(result, Completion)
    assert loop.time() - began >= 1


async def test_a_retry_after_that_is_too_long_is_told_and_not_waited_for() -> None:
    async with ScriptedModel(
        Reply(status=429, headers={"retry-after": "3600"})
    ) as server:
        result, _ = await _ask(server)
    assert isinstance(result, LLMRateLimitedError)
    assert result.retry_after_ms == 3_600_000
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "header", ["inf", "1e300", "99999999999", "Fri, 31 Dec 9999 23:59:59 GMT"]
)
async def test_no_retry_after_is_longer_than_a_month(header: str) -> None:
    refusal = Reply(status=429, headers={"retry-after": header})
    async with ScriptedModel(refusal) as server:
        result, _ = await _ask(server)
    assert isinstance(result, LLMRateLimitedError)
    assert result.retry_after_ms == 30 * 24 * 3600 * 1000


async def test_a_provider_that_is_not_there_is_unavailable() -> None:
    async with ScriptedModel(_HELLO) as server:
        document = server.document(max_retries=0)
    async with _llm(document) as llm:
        with pytest.raises(LLMUnavailableError):
            await llm.complete(_MESSAGES, [], lambda _piece: None)


async def test_the_whole_call_has_a_limit() -> None:
    async with ScriptedModel(Reply(status=500)) as server:
        result, _ = await _ask(server, max_retries=50, total_timeout_seconds=1)
    assert isinstance(result, LLMTimeoutError)


async def test_a_cancel_closes_the_request_upstream() -> None:
    async with (
        ScriptedModel(Reply(pieces=("Hel",), stalls=True)) as server,
        _llm(server.document()) as llm,
    ):
        asking = asyncio.create_task(llm.complete(_MESSAGES, [], lambda _piece: None))
        await server.has_sent.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(0.2):
                await asking
        async with asyncio.timeout(0.2):
            await server.was_left.wait()


async def test_the_key_is_read_anew_when_its_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("first\n")
    async with (
        ScriptedModel(_HELLO) as server,
        _llm(server.document(api_key_file=str(path))) as llm,
    ):
        await llm.complete(_MESSAGES, [], lambda _piece: None)
        path.write_text("second-key\n")
        await llm.complete(_MESSAGES, [], lambda _piece: None)
        path.unlink()
        with pytest.raises(LLMUnauthorizedError):
            await llm.complete(_MESSAGES, [], lambda _piece: None)
    keys = [headers["authorization"] for headers in server.headers]
    assert keys == ["bearer first", "bearer second-key"]


async def test_the_key_may_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SCRIPTED_KEY", "from-env")
    async with ScriptedModel(_HELLO) as server:
        await _ask(server, api_key_env="SCRIPTED_KEY")
        monkeypatch.setenv("SCRIPTED_KEY", "bad\r\nx-injected: 1")
        result, _ = await _ask(server, api_key_env="SCRIPTED_KEY")
    assert server.headers[0]["authorization"] == "bearer from-env"
    assert isinstance(result, LLMUnauthorizedError)
    assert len(server.requests) == 1


async def test_a_server_that_does_not_stream_is_understood() -> None:
    answer = {"choices": [{"message": {"content": "Whole"}, "finish_reason": "stop"}]}
    reply = Reply(body=json.dumps(answer).encode(), headers=_JSON)
    async with ScriptedModel(reply) as server:
        result, pieces = await _ask(server)
    assert isinstance(result, Completion)
    assert pieces == ["Whole"]


async def test_no_more_calls_at_once_than_the_provider_allows() -> None:
    async with (
        ScriptedModel(Reply(pieces=("Hel",), stalls=True)) as server,
        _llm(server.document(max_concurrent=2)) as llm,
    ):
        asking = [asyncio.create_task(llm.acall("Hello")) for _ in range(6)]
        async with asyncio.timeout(5):
            while server.open_requests < 2:
                await asyncio.sleep(0)
        for _ in range(50):
            await asyncio.sleep(0)
        assert server.open_requests == 2
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    assert len(server.requests) == 2


async def test_errors_never_carry_the_key_or_the_text_of_the_provider(
    tmp_path: Path,
) -> None:
    path = tmp_path / "key"
    path.write_text("sk-secret")
    async with ScriptedModel(Reply(status=401, body=b"bad key sk-secret")) as server:
        result, _ = await _ask(server, api_key_file=str(path))
    assert isinstance(result, LLMError)
    assert "secret" not in result.detail
