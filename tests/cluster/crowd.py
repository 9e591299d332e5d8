"""Founders on live sockets who talk while a release is treated badly."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Self
from uuid import uuid4

import httpx

from libs.testing.client import FounderClient, new_request_id
from libs.testing.model_script import reply_tokens
from libs.testing.socket_client import SocketClient
from libs.testing.stream_state import Frame, StreamState
from tests.cluster.speaker import TOKENS
from tests.integration.proofs import prove_shown_is_stored

__all__ = ["Crowd", "Member", "whole_reply"]

_ARRIVING_AT_ONCE = 5
_END_SECONDS = 300.0
_KNOCK_SECONDS = 1.0
_UNREACHED = {
    HTTPStatus.NOT_FOUND,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}


def whole_reply(seed: str) -> str:
    """Tell what the speaker answers to a message with that seed."""
    return "".join(reply_tokens(seed, TOKENS))


@dataclass(slots=True)
class Member:
    """One founder with one session and one socket."""

    founder: FounderClient
    socket: SocketClient
    session_id: str
    seeds: dict[str, str] = field(default_factory=dict)

    @property
    def stream(self) -> str:
        """The session's stream."""
        return f"session:{self.session_id}"

    @property
    def state(self) -> StreamState:
        """What the socket has shown of the session."""
        return self.socket.state(self.stream)

    async def say(self) -> str:
        """Have a message accepted, however often it takes; returns its run."""
        seed = uuid4().hex
        content = {"request_id": new_request_id(), "text": f"Go on [seed:{seed}]"}
        run_id = str((await self._accepted(content))["run_id"])
        self.seeds[run_id] = seed
        return run_id

    async def ended(self, run_id: str, *, limit_seconds: float = _END_SECONDS) -> str:
        """Wait for a run's terminal event; returns its type."""
        await self.socket.until(
            lambda: run_id in self.state.run_ends, timeout_seconds=limit_seconds
        )
        return self.state.run_ends[run_id]

    async def deltas(self, count: int = 2) -> None:
        """Wait for more words than there were."""
        goal = len(self.state.seen("message.delta")) + count
        await self.socket.until(
            lambda: len(self.state.seen("message.delta")) >= goal, timeout_seconds=60
        )

    async def converse(self) -> str:
        """Say something and wait for the end of the reply; returns its type."""
        return await self.ended(await self.say(), limit_seconds=60)

    async def prove(self) -> Counter[str]:
        """Prove that nothing was lost, doubled or shown falsely; count the ends."""
        await self.socket.until(lambda: self.state.is_live, timeout_seconds=60)
        log = await prove_shown_is_stored(self.founder, self.session_id, self.state)
        messages = await self.founder.messages(self.session_id)
        said = [each["text"] for each in messages if each["role"] == "founder"]
        assert sorted(said) == sorted(f"Go on [seed:{s}]" for s in self.seeds.values())
        for run_id, seed in self.seeds.items():
            if log.run_ends[run_id] == "run.finished":
                assert log.reply_to(run_id) == whole_reply(seed)
                continue
            run = await self.founder.run(run_id)
            assert run["error"]["retryable"], run
            assert whole_reply(seed).startswith(log.reply_to(run_id))
        return Counter(log.run_ends.values())

    async def _accepted(self, content: Frame) -> Frame:
        path = f"/v1/sessions/{self.session_id}/messages"
        while True:
            try:
                answer = await self.founder.http.post(path, json=content)
            except httpx.TransportError:
                await asyncio.sleep(_KNOCK_SECONDS)
                continue
            if answer.status_code in _UNREACHED:
                await asyncio.sleep(_KNOCK_SECONDS)
                continue
            answer.raise_for_status()
            accepted: Frame = answer.json()
            return accepted


class Crowd:
    """Members who arrive with the context and leave with it."""

    def __init__(self, url: str, *, size: int) -> None:
        self._url = url
        self._size = size
        self._leaving = AsyncExitStack()
        self.members: list[Member] = []

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Member]:
        return iter(self.members)

    async def __aenter__(self) -> Self:
        turn = asyncio.Semaphore(_ARRIVING_AT_ONCE)
        self.members = await asyncio.gather(
            *(self._arrive(turn) for _ in range(self._size))
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._leaving.aclose()

    @asynccontextmanager
    async def talking(self, *, at_once: int) -> AsyncIterator[None]:
        """Have some of them speak at any time; the last replies are waited for."""
        turn, is_over = asyncio.Semaphore(at_once), asyncio.Event()

        async def talk(member: Member) -> None:
            while not is_over.is_set():
                async with turn:
                    if not is_over.is_set():
                        await member.ended(await member.say())

        async with asyncio.TaskGroup() as group:
            for member in self.members:
                group.create_task(talk(member))
            try:
                yield
            finally:
                is_over.set()

    async def replies(self, count: int) -> None:
        """Wait until so many more runs have ended."""
        goal = self._ended() + count
        while self._ended() < goal:
            await asyncio.sleep(0.2)

    @asynccontextmanager
    async def interrupted(self) -> AsyncIterator[list["Outage"]]:
        """Yield a list that holds every member's outage after the context."""
        outages: list[Outage] = []
        async with asyncio.TaskGroup() as group:
            watching = [group.create_task(_outage(member)) for member in self.members]
            yield outages
        outages += [task.result() for task in watching]

    async def prove(self) -> Counter[str]:
        """Prove every member's session; count how their runs ended."""
        ends: Counter[str] = Counter()
        for member in self.members:
            ends += await member.prove()
        return ends

    def _ended(self) -> int:
        return sum(len(member.state.run_ends) for member in self.members)

    async def _arrive(self, turn: asyncio.Semaphore) -> Member:
        async with turn:
            founder = await FounderClient.arrive(self._url)
            await self._leaving.enter_async_context(founder)
            session_id = (await founder.create_session())["session_id"]
            socket = await self._leaving.enter_async_context(
                founder.socket(
                    f"session:{session_id}", reconnect_seconds=_KNOCK_SECONDS
                )
            )
            member = Member(founder, socket, session_id)
            await socket.until(lambda: member.state.is_live)
            return member


@dataclass(frozen=True, slots=True)
class Outage:
    """From when to when, by the wall clock, a member was without a live stream."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.ended - self.began


async def _outage(member: Member) -> Outage:
    """Wait for the loss of a member's connection, and for its return."""
    socket = member.socket
    closes, connections = len(socket.closes), socket.connections
    await socket.until(
        lambda: len(socket.closes) > closes, timeout_seconds=_END_SECONDS
    )
    began = time.time()
    await socket.until(
        lambda: socket.connections > connections and member.state.is_live,
        timeout_seconds=_END_SECONDS,
    )
    return Outage(began, time.time())
