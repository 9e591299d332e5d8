"""The floor's second half: a gRPC server stream over the model, and nothing else.

Tokens are joined for up to 50 ms, the first goes at once. No crew, no store.
"""

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import urlsplit

import grpc.aio
import uvloop

METHOD = "/floor.Model/Speak"
_JOIN_SECONDS = 0.05
_READ_BYTES = 65_536


class ModelClient:
    """Reads the model's server-sent events on kept-alive raw connections."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._path = parts.path + "/chat/completions"
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def tokens(self, text: str) -> AsyncIterator[str]:
        """Stream one reply's tokens."""
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection(self._host, self._port)
        body = json.dumps(
            {
                "model": "small",
                "stream": True,
                "messages": [{"role": "user", "content": text}],
            }
        ).encode()
        head = f"POST {self._path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        rest = b""
        while not rest.endswith(b"0\r\n\r\n"):
            data = await reader.read(_READ_BYTES)
            if not data:
                raise ConnectionError("the model server closed the stream")
            *events, rest = (rest + data).split(b"\n\n")
            for token in filter(None, map(_token, events)):
                yield token
        self._idle.append((reader, writer))


def _token(event: bytes) -> str | None:
    payload = event.partition(b"data: ")[2]
    if not payload.startswith(b"{"):
        return None
    content: str | None = json.loads(payload)["choices"][0]["delta"].get("content")
    return content


def _speak(model: ModelClient) -> "grpc.RpcMethodHandler[bytes, bytes]":
    async def speak(
        request: bytes,
        context: "grpc.aio.ServicerContext[bytes, bytes]",  # noqa: ARG001 - gRPC's signature
    ) -> AsyncIterator[bytes]:
        pending: list[str] = []
        flushed_at = 0.0
        async for token in model.tokens(request.decode()):
            pending.append(token)
            now = time.monotonic()
            if now - flushed_at >= _JOIN_SECONDS:
                yield "".join(pending).encode()
                pending.clear()
                flushed_at = now
        if pending:
            yield "".join(pending).encode()

    return grpc.unary_stream_rpc_method_handler(speak)


async def _serve(port: int, model_url: str) -> None:
    server = grpc.aio.server()
    service, method = METHOD.removeprefix("/").split("/")
    handlers = {method: _speak(ModelClient(model_url))}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, handlers),)
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model-url", required=True)
    given = parser.parse_args()
    with suppress(KeyboardInterrupt):
        uvloop.run(_serve(given.port, given.model_url))


if __name__ == "__main__":
    _main()
