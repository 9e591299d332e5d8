"""An OpenAI-compatible model server: paced, deterministic, faulty on demand.

Small enough to be the same model behind a benchmark's floor and its product.
Run it alone with `python -m libs.testing.model_server --port 9000`.
"""

import argparse
import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from libs.testing.model_script import (
    Answer,
    Fault,
    ToolCall,
    answer_to,
    request_tokens,
)

__all__ = ["ModelServer", "Outcome", "Pace", "RecordedRequest"]

_RETRY_AFTER_SECONDS = 1
_MIDWAY = 0.4
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
_REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
}

_REFUSALS = {
    Fault.UNAUTHORIZED: (401, "invalid_api_key", "Incorrect API key provided"),
    Fault.RATE_LIMITED: (429, "rate_limit_exceeded", "Slow down"),
    Fault.SERVER_ERROR: (500, "server_error", "Something broke"),
    Fault.CONTEXT_EXCEEDED: (
        400,
        "context_length_exceeded",
        "This model's maximum context length is 64 tokens",
    ),
}
_WORD_CHUNK = (
    '{"id":"chat","object":"chat.completion.chunk","choices":[{"index":0,'
    '"delta":{"content":%s},"finish_reason":null}]}'
)

type Outcome = str
"""`open`, `complete`, `client_closed`, or the fault that was played."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the model speaks and how much it says."""

    first_token_seconds: float = 0.0
    tokens_per_second: float = 500.0
    tokens_per_reply: int = 40


@dataclass(slots=True)
class RecordedRequest:
    """A request as it came and how it ended."""

    body: dict[str, Any]
    authorization: str
    text: str
    outcome: Outcome = "open"
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, outcome: Outcome) -> None:
        """Note how it ended; what was noted first stays."""
        if not self.ended.is_set():
            self.outcome = outcome
            self.ended.set()


class _ClientClosedError(ConnectionError):
    """The client went away before the answer was whole."""


class ModelServer:
    """Serves `POST /v1/chat/completions`, on 127.0.0.1 unless told otherwise.

    `faults` is played first in, first out, before any fault a request names;
    None in it lets a request pass. What does not fit `window_tokens` is refused.
    """

    def __init__(
        self,
        pace: Pace | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        window_tokens: int | None = None,
    ) -> None:
        self.pace = pace or Pace()
        self.window_tokens = window_tokens
        self.faults: deque[Fault | None] = deque()
        self.requests: list[RecordedRequest] = []
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The base address a client is given, ending in `/v1`."""
        return f"http://{self._host}:{self._port}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._accept, self._host, self._port, backlog=1024
        )
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def serve_forever(self) -> None:
        """Serve until cancelled."""
        if self._server is not None:
            await self._server.serve_forever()

    async def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            while await self._serve_one(reader, writer):
                pass
        except (asyncio.CancelledError, ConnectionError, asyncio.IncompleteReadError):
            pass  # the peer or the server is leaving; nothing is owed
        finally:
            writer.transport.abort()

    async def _serve_one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one request; returns whether the connection may be used again."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request_line, *lines = head.split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines if line)
        }
        content = await reader.readexactly(int(headers.get("content-length", 0)))
        if not request_line.startswith("POST /v1/chat/completions"):
            _send_json(writer, 404, {"error": {"message": "no such path"}})
            return True
        body = json.loads(content)
        answer = answer_to(body, self.pace.tokens_per_reply)
        fault = self.faults.popleft() if self.faults else answer.fault
        if self.window_tokens and request_tokens(body) > self.window_tokens:
            fault = Fault.CONTEXT_EXCEEDED
        request = RecordedRequest(body, headers.get("authorization", ""), answer.text)
        self.requests.append(request)
        reply = _Reply(reader, writer, self.pace, answer)
        try:
            if fault is not None:
                is_reusable = await reply.play(fault)
                request.end(fault.value)
            else:
                is_reusable = await reply.send(body)
                request.end("complete")
        except (ConnectionError, asyncio.CancelledError):
            request.end("client_closed")
            raise
        return is_reusable


@dataclass(frozen=True, slots=True)
class _Reply:
    """One answer on its way to the client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    pace: Pace
    answer: Answer

    async def send(self, body: dict[str, Any]) -> bool:
        """Answer as asked, streamed or whole."""
        if not body.get("stream"):
            await self._pause(self.pace.first_token_seconds)
            _send_json(self.writer, 200, _completion(self.answer))
            return True
        self.writer.write(_STREAM_HEAD)
        if self.answer.tool_call is not None:
            await self._pause(self.pace.first_token_seconds)
            self._event(_tool_chunk(self.answer.tool_call))
            self._event(_chunk({}, "tool_calls"))
        else:
            await self._speak(self.answer.tokens)
            self._event(_chunk({}, "stop"))
        if (body.get("stream_options") or {}).get("include_usage"):
            self._event(json.dumps({"choices": [], "usage": _usage(self.answer)}))
        self._event("[DONE]")
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()
        return True

    async def play(self, fault: Fault) -> bool:
        """Fail as told; returns whether the connection may be used again."""
        midway = self.answer.tokens[: int(len(self.answer.tokens) * _MIDWAY)]
        if (refusal := _REFUSALS.get(fault)) is not None:
            status, code, message = refusal
            error = {"message": message, "type": "error", "code": code}
            _send_json(self.writer, status, {"error": error})
            return True
        self.writer.write(_STREAM_HEAD)
        if fault is Fault.GARBAGE:
            self._event('{"choices": [{"delta": {"content": 7')
            self.writer.write(b"0\r\n\r\n")
            return True
        if fault is not Fault.STALL_FIRST:
            await self._speak(midway)
        if fault is not Fault.CUT_MIDWAY:
            await self._stall()
        await self.writer.drain()
        self.writer.transport.abort()
        return False

    async def _speak(self, tokens: tuple[str, ...]) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + self.pace.first_token_seconds
        for token in tokens:
            await self._pause(due - loop.time())
            self._event(_WORD_CHUNK % json.dumps(token))
            due += 1 / self.pace.tokens_per_second

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            await asyncio.sleep(seconds)
        if self.reader.at_eof() or self.writer.is_closing():
            raise _ClientClosedError

    async def _stall(self) -> None:
        # A client sends nothing while it waits, so this returns when it leaves.
        await self.reader.read(1)
        raise _ClientClosedError

    def _event(self, payload: str) -> None:
        event = f"data: {payload}\n\n".encode()
        self.writer.write(b"%x\r\n%b\r\n" % (len(event), event))


def _chunk(delta: dict[str, Any], finish_reason: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return json.dumps(
        {"id": "chat", "object": "chat.completion.chunk", "choices": [choice]}
    )


def _tool_chunk(call: ToolCall) -> str:
    return _chunk({"role": "assistant", "tool_calls": [_tool(call)]})


def _tool(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"index": 0, "id": call.call_id, "type": "function", "function": function}


def _usage(answer: Answer) -> dict[str, int]:
    completion = 1 if answer.tool_call else len(answer.tokens)
    return {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": answer.prompt_tokens + completion,
    }


def _completion(answer: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text}
    if answer.tool_call is not None:
        message = {
            "role": "assistant",
            "content": None,
            "tool_calls": [_tool(answer.tool_call)],
        }
    return {
        "id": "chat",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": _usage(answer),
    }


def _send_json(writer: asyncio.StreamWriter, status: int, body: dict[str, Any]) -> None:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
    if status == 429:  # noqa: PLR2004 - the number is the standard's name for it
        head += f"Retry-After: {_RETRY_AFTER_SECONDS}\r\n"
    head += f"Content-Length: {len(content)}\r\n\r\n"
    writer.write(head.encode() + content)


async def _serve(host: str, port: int, pace: Pace) -> None:
    async with ModelServer(pace, host=host, port=port) as server:
        await server.serve_forever()


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--first-token-seconds", type=float, default=0.2)
    parser.add_argument("--tokens-per-second", type=float, default=50)
    parser.add_argument("--tokens", type=int, default=100)
    given = parser.parse_args()
    pace = Pace(given.first_token_seconds, given.tokens_per_second, given.tokens)
    with asyncio.Runner() as runner:
        runner.run(_serve(given.host, given.port, pace))


if __name__ == "__main__":
    _main()
