"""A session far longer than the model's window, through the real services."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

from libs.testing.client import FounderClient
from libs.testing.model_script import FOLD_MARK, Fault, is_fold
from libs.testing.model_server import ModelServer, Pace
from libs.testing.socket_client import SocketClient
from libs.testing.stack import Stack
from libs.testing.stream_state import Frame
from tests.integration.proofs import prove_shown_is_stored, verify_database

_WINDOW = 2_048
_TURNS = 150
_FACTS = (
    "Hello, my name is Maya and I bake bread at home.",
    "By the way, my product is Brotkorb, a bread subscription.",
    "For a start my price is 12 euros for four loaves a month.",
)
_FILLER = (
    "On day {} a neighbour told me at length how much stale bread they had thrown"
    " away, and that they would have liked somebody to take it off their hands."
)


def _narrow(stack: Stack) -> None:
    """Give the stack's model a small window, and its coach few words about itself."""
    configs = stack.directory / "configs"
    with (configs / "test-model.yaml").open("a") as document:
        document.write(f"  contextWindow: {_WINDOW}\n")
    (configs / "agents/prompts/coach.md").write_text("You coach founders. Be brief.")
    (configs / "crews/prompts/reply.md").write_text("Reply to the founder.")
    agent = configs / "agents/coach.yaml"
    head, _, _ = agent.read_text().partition("  toolRefs:")
    agent.write_text(head)


@dataclass(slots=True)
class _Talk:
    """One founder in one session, answered over a socket."""

    founder: FounderClient
    session: Frame
    socket: SocketClient

    async def say(self, text: str) -> str:
        """Say something; returns the whole reply."""
        sent = await self.founder.send(self.session["session_id"], text)
        return await self.reply_to(sent["run_id"])

    async def reply_to(self, run_id: str) -> str:
        """Wait for a run to end well; returns what the coach said in it."""
        stream = self.session["stream"]
        assert await self.socket.ended(stream, run_id) == "run.finished"
        return self.socket.state(stream).reply_to(run_id)


@asynccontextmanager
async def _talking(stack: Stack) -> AsyncIterator[_Talk]:
    async with await FounderClient.arrive(stack.url) as founder:
        session = await founder.create_session()
        async with founder.following(session["session_id"]) as socket:
            yield _Talk(founder, session, socket)


def _summary(stack: Stack, session_id: str) -> tuple[str | None, int | None] | None:
    with closing(sqlite3.connect(stack.database)) as connection:
        found: tuple[str | None, int | None] | None = connection.execute(
            "SELECT summary_text, summary_upto_seq FROM sessions WHERE session_id = ?",
            (session_id,),
        ).fetchone()
        return found


async def _everything_shown(talk: _Talk) -> str:
    """All a founder can get of a session."""
    session_id = talk.session["session_id"]
    session = f"/v1/sessions/{session_id}"
    exports = [f"{session}/export?format={kind}" for kind in ("json", "md")]
    paths = ("/v1/sessions", session, *exports)
    pages = [await talk.founder.http.get(path) for path in paths]
    log = await talk.founder.log(talk.session["stream"])
    return "\n".join(
        (
            str(talk.socket.frames),
            str(await talk.founder.messages(session_id)),
            str(log.events),
            *(page.raise_for_status().text for page in pages),
        )
    )


async def test_a_session_of_300_messages_keeps_its_early_facts(tmp_path: Path) -> None:
    pace = Pace(tokens_per_second=5_000, tokens_per_reply=30)
    async with ModelServer(pace, window_tokens=_WINDOW) as model:
        stack = Stack(tmp_path, model_url=model.url, model_patience_seconds=10)
        _narrow(stack)
        async with stack, _talking(stack) as talk:
            session_id = talk.session["session_id"]
            for text in _FACTS:
                await talk.say(text)
            for day in range(_TURNS - len(_FACTS) - 6):
                await talk.say(_FILLER.format(day))
            await _ask_twice_at_once(talk)
            await _fail_and_retry(talk, model)
            for thing, value in (("name", "Maya"), ("product", "Brotkorb")):
                reply = await talk.say(f"Which was it? [recall:{thing}]")
                assert reply == f"Your {thing} is {value}."
            assert await talk.say("And? [recall:price]") == "Your price is 12."
            _prove_bounds(model)
            shown = await _everything_shown(talk)
            assert len(await talk.founder.messages(session_id)) >= 2 * _TURNS
            state = talk.socket.state(talk.session["stream"])
            await prove_shown_is_stored(talk.founder, session_id, state)
            folded, upto_seq = _summary(stack, session_id) or ("", 0)
            assert FOLD_MARK in (folded or "")
            assert 0 < (upto_seq or 0) < state.last_seq
            assert FOLD_MARK not in shown
            assert FOLD_MARK not in stack.gateway.log_path.read_text()
            assert FOLD_MARK not in stack.orchestrator.log_path.read_text()
            await verify_database(stack.database)
            await talk.founder.http.delete(f"/v1/sessions/{session_id}")
            assert _summary(stack, session_id) is None


async def _ask_twice_at_once(talk: _Talk) -> None:
    """A second message that waits for the first one's run."""
    session_id = talk.session["session_id"]
    runs = [
        (await talk.founder.send(session_id, f"Quickly, {number}"))["run_id"]
        for number in ("one", "two")
    ]
    for run_id in runs:
        await talk.reply_to(run_id)


async def _fail_and_retry(talk: _Talk, model: ModelServer) -> None:
    """A reply that breaks off, and its repetition."""
    model.faults.append(Fault.CUT_MIDWAY)
    session_id, stream = talk.session["session_id"], talk.session["stream"]
    sent = await talk.founder.send(session_id, "Say it again, please.")
    assert await talk.socket.ended(stream, sent["run_id"]) == "run.failed"
    retried = await talk.founder.retry(sent["run_id"])
    await talk.reply_to(retried["run_id"])


def _prove_bounds(model: ModelServer) -> None:
    """No prompt exceeded the window, and a fold served several turns."""
    refused = [each for each in model.requests if each.outcome == "context"]
    assert refused == []
    folds = [each for each in model.requests if is_fold(each.body)]
    assert 0 < len(folds) <= _TURNS / 4, len(folds)
    assert all(each.outcome == "complete" for each in folds)


async def test_the_simulated_coach_remembers_what_it_no_longer_sees(
    tmp_path: Path,
) -> None:
    stack = Stack(tmp_path, tokens_per_second=20_000)
    _narrow(stack)
    async with stack, _talking(stack) as talk:
        for text in _FACTS:
            await talk.say(text)
        for day in range(30):
            await talk.say(_FILLER.format(day))
        assert "Maya" in await talk.say("What is my name?")
        assert "Brotkorb" in await talk.say("What is my product?")
        assert "12 euros" in await talk.say("What was my price again?")
        folded, _ = _summary(stack, talk.session["session_id"]) or ("", 0)
        assert "Brotkorb" in (folded or "")
        assert (folded or "") not in await _everything_shown(talk)
        await verify_database(stack.database)
