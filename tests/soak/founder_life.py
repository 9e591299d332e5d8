"""A founder who talks, stops, retries, loses the network and leaves, for a long time.

Every command is repeated with its request id until it is answered, as the page does;
what the founder saw is proven against the log before they leave.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from functools import partial

import httpx

from libs.testing.client import FounderClient, new_request_id
from libs.testing.socket_client import SocketClient
from libs.testing.stream_state import Frame, StreamState
from tests.integration.proofs import prove_shown_is_stored

__all__ = ["FounderLife", "Tally"]

_ANSWER_SECONDS = 90.0
_END_SECONDS = 60.0
_ASK_SECONDS = 5.0
_AGAIN_SECONDS = 0.5
_THOUGHT_SECONDS = (1.0, 5.0)
_TURNS = (3, 6)
_DELETED_SHARE = 0.2
_RETRIED_SHARE = 0.5
_RETRY_LATER = frozenset({425, 429, 500, 502, 503, 504})


class _Turn(Enum):
    """What a founder does with a reply."""

    READ = "read"
    CANCEL = "cancel"
    DROP = "drop the connection"
    INTERJECT = "send another message"


_HOW_OFTEN = {_Turn.READ: 64, _Turn.CANCEL: 14, _Turn.DROP: 14, _Turn.INTERJECT: 8}


@dataclass(slots=True)
class Tally:
    """What all founders did and saw."""

    turns: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    talks: int = 0
    deleted: int = 0
    repeated_commands: int = 0


def _has_seen(state: StreamState, seq: int) -> bool:
    return state.last_seq >= seq


@dataclass(slots=True)
class FounderLife:
    """One founder after another in the same place, until told to stop."""

    url: str
    chance: random.Random
    tally: Tally
    may_go_on: Callable[[], bool]

    async def live(self) -> None:
        """Talk in new sessions until it is time to stop."""
        while self.may_go_on():
            async with await self._arrive() as founder:
                await self._talk(founder)

    async def _arrive(self) -> FounderClient:
        async with asyncio.timeout(_ANSWER_SECONDS):
            while True:
                try:
                    return await FounderClient.arrive(self.url)
                except httpx.HTTPError:
                    await asyncio.sleep(_AGAIN_SECONDS)

    async def _talk(self, founder: FounderClient) -> None:
        session = await self._told(founder, "/v1/sessions", opening=False)
        async with founder.socket(session["stream"]) as socket:
            state = socket.state(session["stream"])
            for _ in range(self.chance.randint(*_TURNS)):
                if not self.may_go_on():
                    break
                await self._turn(founder, socket, session, state)
                await asyncio.sleep(self.chance.uniform(*_THOUGHT_SECONDS))
            await socket.until(lambda: state.is_live, timeout_seconds=_END_SECONDS)
            await self._proven(founder, socket, session["session_id"], state)
        if self.chance.random() < _DELETED_SHARE:
            await self._deleted(founder, session["session_id"])
        self.tally.talks += 1

    async def _turn(
        self,
        founder: FounderClient,
        socket: SocketClient,
        session: Frame,
        state: StreamState,
    ) -> None:
        (turn,) = self.chance.choices(list(_HOW_OFTEN), list(_HOW_OFTEN.values()))
        self.tally.turns[turn.name] += 1
        sent = [await self._send(founder, session)]
        match turn:
            case _Turn.READ:
                pass
            case _Turn.CANCEL:
                await asyncio.sleep(self.chance.uniform(0.0, 1.5))
                await self._told(founder, f"/v1/runs/{sent[0]}/cancel")
            case _Turn.DROP:
                await asyncio.sleep(self.chance.uniform(0.0, 1.5))
                socket.drop()
            case _Turn.INTERJECT:
                sent.append(await self._send(founder, session))
        ends = [await self._end_of(founder, socket, state, run_id) for run_id in sent]
        if ends[-1] != "run.finished" and self.chance.random() < _RETRIED_SHARE:
            again = await self._told(founder, f"/v1/runs/{sent[-1]}/retry")
            self.tally.turns["RETRY"] += 1
            await self._end_of(founder, socket, state, again["run_id"])

    async def _send(self, founder: FounderClient, session: Frame) -> str:
        path = f"/v1/sessions/{session['session_id']}/messages"
        accepted = await self._told(founder, path, text="It takes hours to invoice.")
        return str(accepted["run_id"])

    async def _end_of(
        self,
        founder: FounderClient,
        socket: SocketClient,
        state: StreamState,
        run_id: str,
    ) -> str:
        """Wait for a run's end; a snapshot tells that of the last run alone."""
        end: str | None = None
        async with asyncio.timeout(_END_SECONDS):
            while end is None:
                with suppress(TimeoutError):
                    await socket.until(
                        lambda: run_id in state.run_ends, timeout_seconds=_ASK_SECONDS
                    )
                end = state.run_ends.get(run_id) or await self._asked(founder, run_id)
        self.tally.ends[end] += 1
        if run_id in state.run_errors:
            self.tally.errors[state.run_errors[run_id]] += 1
        return end

    async def _asked(self, founder: FounderClient, run_id: str) -> str | None:
        """Ask for a run's end; None: not yet, or nobody answers just now."""
        try:
            run = await founder.run(run_id)
        except httpx.HTTPError:
            return None
        return None if run["ended_at"] is None else f"run.{run['state']}"

    async def _told(self, founder: FounderClient, path: str, **body: object) -> Frame:
        """Send a command until it is answered; an answer that is final must be good."""
        request_id = new_request_id()
        async with asyncio.timeout(_ANSWER_SECONDS):
            while True:
                try:
                    answer = await founder.post(path, request_id=request_id, **body)
                except httpx.TransportError:
                    self.tally.repeated_commands += 1
                else:
                    if answer.status_code not in _RETRY_LATER:
                        assert answer.is_success, f"{path}: {answer.text}"
                        told: Frame = answer.json()
                        return told
                    self.tally.repeated_commands += 1
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _proven(
        self,
        founder: FounderClient,
        socket: SocketClient,
        session_id: str,
        state: StreamState,
    ) -> None:
        """Prove the talk, when the gateway lives long enough to be asked."""
        async with asyncio.timeout(_ANSWER_SECONDS):
            while True:
                try:
                    stored = (await founder.log(state.stream)).last_seq
                    shown = partial(_has_seen, state, stored)
                    await socket.until(shown, timeout_seconds=_END_SECONDS)
                    await prove_shown_is_stored(founder, session_id, state)
                except httpx.HTTPError:
                    await asyncio.sleep(_AGAIN_SECONDS)
                else:
                    return

    async def _deleted(self, founder: FounderClient, session_id: str) -> None:
        async with asyncio.timeout(_ANSWER_SECONDS):
            while True:
                try:
                    answer = await founder.http.delete(f"/v1/sessions/{session_id}")
                except httpx.TransportError:
                    await asyncio.sleep(_AGAIN_SECONDS)
                    continue
                if answer.status_code not in _RETRY_LATER:
                    # 404: an earlier attempt whose answer was lost went through.
                    assert answer.status_code in {204, 404}, answer.text
                    self.tally.deleted += 1
                    return
                await asyncio.sleep(_AGAIN_SECONDS)
