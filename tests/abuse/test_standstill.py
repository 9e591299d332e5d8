"""What stands still for 40 s: an orchestrator, and clients beside a healthy tab.

Tried at once, because the gateway gives up on both only after that long.
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import httpx
import pytest

from libs.testing.client import FounderClient
from libs.testing.model_server import ModelServer, Pace
from libs.testing.socket_client import SocketClient
from libs.testing.stack import StackProcess, until
from tests.abuse.conftest import Target
from tests.abuse.half_open import half_open
from tests.integration.proofs import prove_shown_is_stored, verify_database

_STOPPED_SECONDS: Final = 40
_HALF_OPEN: Final = 20
_OUTCOME_SECONDS: Final = 30
"""Within these a founder is told something typed that can be tried again."""


@contextmanager
def _stopped(process: StackProcess) -> Iterator[None]:
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


class _Talk:
    """A founder's session, followed by a tab."""

    def __init__(self, founder: FounderClient, tab: SocketClient, stream: str) -> None:
        self.founder = founder
        self.tab = tab
        self.stream = stream
        self.session_id = stream.partition(":")[2]
        self.state = tab.state(stream)

    async def say(self, text: str) -> str:
        """Send a message; returns its run."""
        sent = await self.founder.send(self.session_id, text)
        run_id: str = sent["run_id"]
        return run_id

    async def lost(self, run_id: str, codes: set[str]) -> None:
        """Prove that a run ended in time, typed, and may be tried again."""
        async with asyncio.timeout(_OUTCOME_SECONDS):
            assert await self.tab.ended(self.stream, run_id) == "run.failed"
        run = await self.founder.run(run_id)
        assert run["error"]["code"] in codes
        assert run["error"]["retryable"]

    async def prove(self) -> None:
        """Prove that all that was shown is stored, each run executed once."""
        await prove_shown_is_stored(self.founder, self.session_id, self.state)
        assert self.tab.closes == []


async def _talk(founder: FounderClient, tab: SocketClient) -> _Talk:
    session = await founder.create_session()
    await tab.subscribe(session["stream"])
    return _Talk(founder, tab, session["stream"])


@pytest.mark.timeout(150)
async def test_a_stopped_orchestrator_and_peers_that_are_gone_cost_only_theirs(
    target: Target, founder: FounderClient, model: ModelServer
) -> None:
    model.pace = Pace(tokens_per_second=20, tokens_per_reply=4_000)
    loop = asyncio.get_running_loop()
    sockets = await target.open_sockets()

    async def is_tab_alone() -> bool:
        return await target.open_sockets() == sockets + 1

    async with (
        founder.socket() as tab,
        half_open(target.port, founder.token, _HALF_OPEN) as frozen,
    ):
        begun, fresh = await _talk(founder, tab), await _talk(founder, tab)
        first = await begun.say("Long [seed:first]")
        await tab.until(lambda: len(begun.state.seen("message.delta")) > 3)
        with _stopped(target.stack.orchestrator):
            frozen.set()
            going_on_at = loop.time() + _STOPPED_SECONDS
            # Both at once: what was under way, and what nobody can take.
            second = await fresh.say("Anybody? [seed:second]")
            await asyncio.gather(
                begun.lost(first, {"run_lost"}),
                fresh.lost(second, {"run_lost", "orchestrator_unavailable"}),
            )
            assert "interrupted" in begun.state.statuses.values()
            for path in ("/healthz", "/readyz", "/v1/sessions"):
                answer = await founder.http.get(path)
                assert answer.status_code == httpx.codes.OK, path
            model.pace = Pace(tokens_per_second=200, tokens_per_reply=40)
            await target.spare.start()
            retried = (await founder.retry(first))["run_id"]
            third = await fresh.say("Now? [seed:third]")
            for talk, run_id in ((begun, retried), (fresh, third)):
                assert await tab.ended(talk.stream, run_id) == "run.finished"
            await asyncio.sleep(max(0, going_on_at - loop.time()))
        # 15 s to the next ping and 25 s for its answer.
        await until(is_tab_alone, timeout_seconds=10, what="the end of who is gone")
        target.spare.stop()
        await _prove_stopped_upstream(model)
        await _until_only_ready(founder, target.stack.orchestrator.address)
        fourth = await begun.say("Are you back? [seed:fourth]")
        assert await tab.ended(begun.stream, fourth) == "run.finished"
        for talk in (begun, fresh):
            await talk.prove()
    await verify_database(target.stack.database)


async def _until_only_ready(founder: FounderClient, address: str) -> None:
    async def holds() -> bool:
        status = (await founder.http.get("/v1/status")).json()
        ready = [each["address"] for each in status["orchestrators"] if each["ready"]]
        return ready == [address]

    await until(holds, timeout_seconds=15, what="the one that goes on again")


async def _prove_stopped_upstream(model: ModelServer) -> None:
    """The abandoned run is stopped where it was, once that process goes on."""

    async def is_over() -> bool:
        return "open" not in {each.outcome for each in model.requests}

    await until(is_over, timeout_seconds=20, what="the abandoned model call")
    assert model.requests[0].outcome == "client_closed"
