"""Processes die by SIGKILL and networks drop: no word is lost or said twice."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from enum import Enum
from pathlib import Path
from uuid import uuid4

import pytest

from libs.testing.client import FounderClient
from libs.testing.model_script import reply_tokens
from libs.testing.model_server import ModelServer, Pace
from libs.testing.socket_client import SocketClient
from libs.testing.stack import Stack, StackProcess, free_port
from libs.testing.stream_state import Frame
from tests.integration.proofs import prove_shown_is_stored, verify_database

_TOKENS = 150
_DELTAS = 12
_ROUNDS = [
    *range(3),
    *(pytest.param(number, marks=pytest.mark.soak) for number in range(3, 20)),
]
_END_SECONDS = 30


class Victim(Enum):
    """Who is killed."""

    GATEWAY = "gateway"
    ORCHESTRATOR = "orchestrator"
    BOTH = "both"

    def processes(self, stack: Stack) -> list[StackProcess]:
        """Name the processes to kill."""
        match self:
            case Victim.GATEWAY:
                return [stack.gateway]
            case Victim.ORCHESTRATOR:
                return [stack.orchestrator]
            case Victim.BOTH:
                return [stack.gateway, stack.orchestrator]


@pytest.fixture(scope="module")
def chaos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, int]]:
    """Run a stack for killing, and choose its model server's port."""
    directory: Path = tmp_path_factory.mktemp("chaos")
    port = free_port()
    stack = Stack(directory, model_url=f"http://127.0.0.1:{port}/v1")
    asyncio.run(stack.start())
    try:
        yield stack, port
    finally:
        stack.stop()


@pytest.fixture
async def speaker(chaos: tuple[Stack, int]) -> AsyncIterator[ModelServer]:
    """Serve the model at a pace that leaves time to kill."""
    pace = Pace(tokens_per_second=100, tokens_per_reply=_TOKENS)
    async with ModelServer(pace, port=chaos[1]) as server:
        yield server


class _Talk:
    """A session whose replies are known beforehand, by seed."""

    def __init__(
        self, founder: FounderClient, socket: SocketClient, session: Frame
    ) -> None:
        self.founder = founder
        self.socket = socket
        self.session_id: str = session["session_id"]
        self.stream: str = session["stream"]
        self.seeds: dict[str, str] = {}

    async def say(self) -> str:
        """Send a message; returns its run."""
        seed = uuid4().hex
        sent = await self.founder.send(self.session_id, f"Go on [seed:{seed}]")
        self.seeds[sent["run_id"]] = seed
        return str(sent["run_id"])

    async def deltas(self, count: int) -> None:
        """Wait for more deltas than there were."""
        state = self.socket.state(self.stream)
        goal = len(state.seen("message.delta")) + count
        await self.socket.until(lambda: len(state.seen("message.delta")) >= goal)

    async def drop(self) -> None:
        """Lose the connection and wait for the next one."""
        connections = self.socket.connections
        self.socket.drop()
        await self.socket.until(lambda: self.socket.connections > connections)

    async def prove(self, model: ModelServer) -> None:
        """Prove the log, and that each run was executed once, word for word."""
        state = self.socket.state(self.stream)
        log = await prove_shown_is_stored(self.founder, self.session_id, state)
        asked = [str(each.body["messages"][-1]["content"]) for each in model.requests]
        for run_id, seed in self.seeds.items():
            whole = "".join(reply_tokens(seed, _TOKENS))
            reply = log.reply_to(run_id)
            is_finished = log.run_ends[run_id] == "run.finished"
            assert reply == whole if is_finished else whole.startswith(reply)
            assert sum(seed in text for text in asked) <= 1, "executed twice"


async def _talk(founder: FounderClient, socket: SocketClient) -> _Talk:
    session = await founder.create_session()
    await socket.subscribe(session["stream"])
    await socket.until(lambda: socket.state(session["stream"]).is_live)
    return _Talk(founder, socket, session)


@pytest.mark.parametrize("number", _ROUNDS)
@pytest.mark.parametrize("victim", Victim)
async def test_a_killed_process_loses_and_doubles_nothing(
    chaos: tuple[Stack, int], speaker: ModelServer, victim: Victim, number: int
) -> None:
    stack, _ = chaos
    when = random.Random(f"{victim}{number}").randint(1, _DELTAS)  # noqa: S311 - a moment
    async with (
        await FounderClient.arrive(stack.url) as founder,
        founder.socket() as socket,
    ):
        talk = await _talk(founder, socket)
        state = socket.state(talk.stream)
        run_id = await talk.say()
        await talk.deltas(when)
        for process in victim.processes(stack):
            process.kill()
        for process in victim.processes(stack):
            process.spawn()
        await socket.until(
            lambda: run_id in state.run_ends and state.is_live,
            timeout_seconds=_END_SECONDS,
        )
        match victim:
            case Victim.GATEWAY:
                assert state.run_ends[run_id] == "run.finished"
            case Victim.ORCHESTRATOR | Victim.BOTH:
                run = await founder.run(run_id)
                assert run["error"]["code"] == "run_lost"
                assert run["error"]["retryable"]
                assert "interrupted" in state.statuses.values()
        for process in (stack.orchestrator, stack.gateway):
            await process.until_ready()
        after = await talk.say()
        assert await socket.ended(talk.stream, after) == "run.finished"
        await talk.prove(speaker)
    await verify_database(stack.database)


@pytest.mark.parametrize("number", _ROUNDS)
async def test_twenty_dropped_sockets_in_one_reply_lose_and_double_nothing(
    chaos: tuple[Stack, int], speaker: ModelServer, number: int
) -> None:
    stack, _ = chaos
    speaker.pace = Pace(tokens_per_second=60, tokens_per_reply=_TOKENS)
    chance = random.Random(number)  # noqa: S311 - moments, not secrets
    async with (
        await FounderClient.arrive(stack.url) as founder,
        founder.socket() as socket,
    ):
        talk = await _talk(founder, socket)
        state = socket.state(talk.stream)
        run_id = await talk.say()
        for drops in range(1, 21):
            await talk.deltas(1 if chance.random() < 0.8 else 2)
            assert run_id not in state.run_ends
            await talk.drop()
            assert socket.connections == drops + 1
        assert await socket.ended(talk.stream, run_id) == "run.finished"
        assert state.snapshots == 0, "the log still reached back to every cursor"
        assert len(socket.closes) == 20
        await talk.prove(speaker)


async def test_a_lost_run_can_be_retried(
    chaos: tuple[Stack, int], speaker: ModelServer
) -> None:
    stack, _ = chaos
    async with (
        await FounderClient.arrive(stack.url) as founder,
        founder.socket() as socket,
    ):
        talk = await _talk(founder, socket)
        run_id = await talk.say()
        await talk.deltas(2)
        stack.orchestrator.kill()
        await stack.orchestrator.start()
        assert await socket.ended(talk.stream, run_id) == "run.failed"
        retried = await founder.retry(run_id)
        assert await socket.ended(talk.stream, retried["run_id"]) == "run.finished"
        state = socket.state(talk.stream)
        assert "superseded" in state.statuses.values()
        whole = "".join(reply_tokens(talk.seeds[run_id], _TOKENS))
        assert state.reply_to(retried["run_id"]) == whole
        assert len(speaker.requests) == 2
        await prove_shown_is_stored(founder, talk.session_id, state)
