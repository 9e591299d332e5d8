"""A founder's API client: REST helpers that return plain dicts."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx

from libs.testing.socket_client import SocketClient
from libs.testing.stream_state import Frame, StreamState, reduce_log

__all__ = ["FounderClient", "new_request_id"]

_TIMEOUT_SECONDS = 30
_PAGE = 500


def new_request_id() -> str:
    """Make the id a client gives a command."""
    return str(uuid4())


class FounderClient:
    """One founder; `await FounderClient.arrive(url)` makes a new one.

    Helpers that name what they return raise `httpx.HTTPStatusError` when they were
    refused; `post` and `http` give the response as it is.
    """

    def __init__(self, url: str, *, token: str, founder: Frame) -> None:
        self.url = url
        self.token = token
        self.founder = founder
        self.http = _http(url, token)
        self._sockets = AsyncExitStack()

    @classmethod
    async def arrive(cls, url: str) -> Self:
        """Mint a founder and hold the token as a Bearer."""
        async with _http(url, None) as http:
            answer = await http.post("/v1/founder", json={"deliver": "body"})
            answer.raise_for_status()
            founder = answer.json()
        return cls(url, token=founder["token"], founder=founder)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._sockets.aclose()
        await self.http.aclose()

    async def post(self, path: str, **body: object) -> httpx.Response:
        """Send a command with a fresh request id, unless one is given."""
        # Escaped, so that a test may send what is not text.
        content = json.dumps({"request_id": new_request_id(), **body})
        headers = {"Content-Type": "application/json"}
        return await self.http.post(path, content=content, headers=headers)

    async def create_session(self, *, opening: bool = False) -> Frame:
        """Create a session, quiet unless the coach is to open it."""
        return _json(await self.post("/v1/sessions", opening=opening))

    async def send(self, session_id: str, text: str) -> Frame:
        """Say something; returns what was accepted."""
        return _json(await self.post(f"/v1/sessions/{session_id}/messages", text=text))

    async def cancel(self, run_id: str) -> Frame:
        """Stop a run."""
        return _json(await self.post(f"/v1/runs/{run_id}/cancel"))

    async def retry(self, run_id: str) -> Frame:
        """Run the session's last run again."""
        return _json(await self.post(f"/v1/runs/{run_id}/retry"))

    async def run(self, run_id: str) -> Frame:
        """Read a run."""
        return _json(await self.http.get(f"/v1/runs/{run_id}"))

    async def messages(self, session_id: str) -> list[Frame]:
        """Read every message of a session, oldest first."""
        messages: list[Frame] = []
        before: dict[str, int] = {}
        while True:
            page = _json(
                await self.http.get(
                    f"/v1/sessions/{session_id}/messages",
                    params={"limit": 100, **before},
                )
            )
            messages = page["messages"] + messages
            if not page["has_more"]:
                return messages
            before = {"before_seq": messages[0]["seq"]}

    async def log(self, stream: str) -> StreamState:
        """Read a stream's whole log over REST and reduce it."""
        events: list[Frame] = []
        while True:
            page = _json(
                await self.http.get(
                    f"/v1/streams/{stream}/events",
                    params={"after_seq": len(events), "limit": _PAGE},
                )
            )
            events += page["events"]
            if len(events) >= page["last_seq"] or not page["events"]:
                return reduce_log(stream, events)

    async def live(
        self, stream: str, *, after: str | int
    ) -> AsyncGenerator[tuple[str, Frame]]:
        """Follow a stream over server-sent events: ids and frames.

        `after` is a sequence number, or the id of the last event that was read.
        """
        is_seq = isinstance(after, int)
        async with self.http.stream(
            "GET",
            f"/v1/streams/{stream}/live",
            params={"after_seq": after} if is_seq else {},
            headers={} if is_seq else {"Last-Event-ID": str(after)},
        ) as answer:
            if answer.is_error:
                await answer.aread()
            answer.raise_for_status()
            event_id = ""
            async for line in answer.aiter_lines():
                name, _, value = line.partition(":")
                if name == "id":
                    event_id = value.strip()
                elif name == "data":
                    yield event_id, json.loads(value)

    async def live_until(
        self, stream: str, event_type: str, *, after: str | int
    ) -> tuple[list[Frame], str]:
        """Collect events up to the first of a type; returns them and its id."""
        events: list[Frame] = []
        async with (
            asyncio.timeout(_TIMEOUT_SECONDS),
            aclosing(self.live(stream, after=after)) as live,
        ):
            async for event_id, frame in live:
                if "data" in frame and "ts" in frame:
                    events.append(frame)
                if frame["type"] == event_type:
                    return events, event_id
        raise EOFError(f"the stream ended before {event_type}")

    def socket(self, *streams: str, **options: Any) -> SocketClient:  # noqa: ANN401 - passed on
        """Make a socket client that begins each stream at its first event."""
        return SocketClient(self.url, token=self.token, streams=streams, **options)

    @asynccontextmanager
    async def following(self, session_id: str) -> AsyncIterator[SocketClient]:
        """Follow a session's stream with a socket that reconnects."""
        async with self.socket(f"session:{session_id}") as socket:
            await socket.until(lambda: socket.state(f"session:{session_id}").is_live)
            yield socket


def _http(url: str, token: str | None) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(
        base_url=url, headers=headers, timeout=_TIMEOUT_SECONDS, trust_env=False
    )


def _json(answer: httpx.Response) -> Frame:
    if answer.is_error:
        raise httpx.HTTPStatusError(
            f"{answer.status_code}: {answer.text}",
            request=answer.request,
            response=answer,
        )
    body: Frame = answer.json()
    return body
