"""A founder with several tabs, told by hypothesis what to do next.

Commands are sent without waiting for their answers, so that anything may come
between. What must hold is looked at after every step and, whole, at the end. What
happened is counted over all examples.
"""

import asyncio
import json
import sys
from collections import Counter
from contextlib import suppress
from enum import Enum
from typing import Any, ClassVar, Final, override
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from websockets.exceptions import ConnectionClosed

from libs.testing.client import FounderClient
from libs.testing.socket_client import SocketClient
from libs.testing.stack import Stack, StackProcess
from libs.testing.stream_state import Frame, StreamState
from tests.integration.proofs import prove_log

__all__ = ["FounderMachine"]

_TABS: Final = 3
_SESSIONS: Final = 3
_END_SECONDS: Final = 60
_BRANCHES: Final = 2
_DELETED: Final = 1
_MALFORMED: Final = 4400
_CLOSE_CODES: Final = {1000, 1005, 1006, 1012, 4409, _MALFORMED}
"""Own closes, lost connections, a gateway that stops, a slow reader, nonsense."""
_TABS_CHOSEN: Final = st.integers(0, _TABS - 1)
_CHOSEN: Final = st.integers(0, 7)
"""Which of the things there are; taken round and round."""
_TEXTS: Final = st.sampled_from(
    [
        *("Lunch queues", "Go on", "\N{KEY} ünï\n\tcode", "x" * 999),
        *("Break off /fault:cut", "Be refused /fault:401"),
    ]
)
_NONSENSE: Final = st.sampled_from(
    ["", "{", "[]", '{"type": "nonsense"}', '{"no": "type"}', '"\\ud800"']
)


class Victim(Enum):
    """Who is killed in an example, once: in between, or else at its end."""

    GATEWAY = "gateway"
    ORCHESTRATOR = "orchestrator"
    NOBODY = "nobody"


class FounderMachine(RuleBasedStateMachine):
    """Does what founders, networks and machines do, in any order.

    `happened` counts what was done and what came of it, by the name of a command,
    an event or a rule.
    """

    stack: ClassVar[Stack]
    happened: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.founder: FounderClient | None = None
        self.steps: list[str] = []
        self.tabs: list[SocketClient] = []
        self.sessions: list[str] = []
        self.deleted: set[str] = set()
        self.parked: list[dict[str, StreamState]] = [{} for _ in range(_TABS)]
        self.commands: dict[str, Frame] = {}
        self.sends: Counter[str] = Counter()
        self.nonsense = [0] * _TABS
        self.hellos = [0] * _TABS
        self.victim = Victim.NOBODY

    # What there is

    def _did(self, what: str, details: object = "") -> None:
        self.happened[what] += 1
        self.steps.append(f"{what} {details}")

    @initialize(victim=st.sampled_from(Victim))
    def arrive(self, victim: Victim) -> None:
        """Begin with a new founder, all tabs open and one session."""
        self.victim = victim
        self.loop.run(self._arrive())

    async def _arrive(self) -> None:
        self.founder = founder = await FounderClient.arrive(self.stack.url)
        self.own_stream = f"founder:{founder.founder['founder_id']}"
        self.tabs = [founder.socket(self.own_stream) for _ in range(_TABS)]
        for tab in self.tabs:
            await tab.__aenter__()
            await tab.until(lambda tab=tab: tab.state(self.own_stream).is_live)  # type: ignore[misc] # bound
        await self._create(opening=False)

    async def _create(self, *, opening: bool) -> None:
        await self.stack.gateway.until_ready()
        session = await self._me.create_session(opening=opening)
        self.sessions.append(session["session_id"])
        for tab in self.tabs[1:]:
            await tab.resume(StreamState(session["stream"]))

    @property
    def _me(self) -> FounderClient:
        assert self.founder is not None
        return self.founder

    def _session(self, chosen: int) -> str:
        self._adopt_branches()
        return self.sessions[chosen % len(self.sessions)]

    def _adopt_branches(self) -> None:
        """Take the sessions that branches led to for the founder's own."""
        branches = [
            frame["session_id"]
            for tab in self.tabs
            for frame in tab.frames
            if frame["type"] == "ack" and self._is_of_branch(frame)
        ]
        told = dict.fromkeys(branches)
        self.sessions += [branch for branch in told if branch not in self.sessions]

    def _is_of_branch(self, ack: Frame) -> bool:
        command = self.commands.get(ack["request_id"])
        return command is not None and command["type"] == "session.branch"

    def _seen(self, event_type: str) -> list[Frame]:
        return [
            event
            for tab in self.tabs
            for state in tab.states
            for event in state.seen(event_type)
        ]

    # What a founder does

    @precondition(lambda self: len(self.sessions) < _SESSIONS)
    @rule(opening=st.booleans())
    def create_session(self, *, opening: bool) -> None:
        """Begin a session."""
        self._did("create a session", f"opening {opening}")
        self.loop.run(self._create(opening=opening))

    @rule(tab=_TABS_CHOSEN, chosen=_CHOSEN, from_start=st.booleans())
    def subscribe(self, tab: int, chosen: int, *, from_start: bool) -> None:
        """Follow a session from the last event that is known, or a snapshot."""
        session_id = self._session(chosen)
        if session_id not in self.deleted:
            stream = f"session:{session_id}"
            self._did("subscribe", f"tab {tab}, {stream}, from start {from_start}")
            self.loop.run(self._subscribe(tab, stream, from_start=from_start))

    async def _subscribe(self, tab: int, stream: str, *, from_start: bool) -> None:
        client = self.tabs[tab]
        if not self._follows(tab, stream):
            known = self.parked[tab].pop(stream, StreamState(stream))
            await client.resume(known)
        elif from_start:
            # What is on its way comes first, and then a state that replaces it.
            with suppress(ConnectionClosed):
                asked = {"type": "subscribe", "streams": [{"stream": stream}]}
                await client.send(asked)
        else:
            await client.resume(await client.forget(stream))

    def _follows(self, tab: int, stream: str) -> bool:
        return stream in {state.stream for state in self.tabs[tab].states}

    @rule(tab=_TABS_CHOSEN, chosen=_CHOSEN)
    def unsubscribe(self, tab: int, chosen: int) -> None:
        """Follow a session no longer."""
        stream = f"session:{self._session(chosen)}"
        if self._follows(tab, stream):
            self._did("unsubscribe", f"tab {tab}, {stream}")
            forgotten = self.loop.run(self.tabs[tab].forget(stream))
            self.parked[tab][stream] = forgotten

    @rule(tab=_TABS_CHOSEN, chosen=_CHOSEN, text=_TEXTS)
    def send(self, tab: int, chosen: int, text: str) -> None:
        """Say something."""
        self._command(
            tab, type="message.send", session_id=self._session(chosen), text=text
        )

    @rule(tab=_TABS_CHOSEN, chosen=_CHOSEN)
    def change_ones_mind(self, tab: int, chosen: int) -> None:
        """Ask for what takes a minute, and stop it."""
        path = f"/v1/sessions/{self._session(chosen)}/messages"
        accepted = self.loop.run(self._accepted(path, "At length /fault:slow"))
        if accepted is not None:
            self._did("change one's mind")
            self._command(tab, type="run.cancel", run_id=accepted["run_id"])

    async def _accepted(self, path: str, text: str) -> Frame | None:
        await self.stack.gateway.until_ready()
        answer = await self._me.post(path, text=text)
        accepted: Frame | None = answer.json() if answer.is_success else None
        return accepted

    @rule(tab=_TABS_CHOSEN, chosen=_CHOSEN, kind=st.sampled_from(["cancel", "retry"]))
    def stop_or_retry(self, tab: int, chosen: int, kind: str) -> None:
        """Stop a run or try it again, whatever became of it."""
        runs = self._seen("run.created")
        if runs:
            run_id = runs[-1 - chosen % len(runs)]["data"]["run_id"]
            self._command(tab, type=f"run.{kind}", run_id=run_id)

    @rule(tab=_TABS_CHOSEN, chosen=_CHOSEN, value=st.sampled_from(["up", "none"]))
    def rate(self, tab: int, chosen: int, value: str) -> None:
        """Rate a message, of the coach or not."""
        said = self._seen("message.finished") + self._seen("message.accepted")
        if said:
            message_id = said[chosen % len(said)]["data"]["message_id"]
            self._command(
                tab, type="message.feedback", message_id=message_id, value=value
            )

    @rule(tab=_TABS_CHOSEN, chosen=_CHOSEN, title=st.sampled_from(["One", "Two"]))
    def rename(self, tab: int, chosen: int, title: str) -> None:
        """Rename a session."""
        session_id = self._session(chosen)
        self._command(tab, type="session.update", session_id=session_id, title=title)

    @precondition(lambda self: self._count("session.branch") < _BRANCHES)
    @rule(tab=_TABS_CHOSEN, chosen=_CHOSEN, text=_TEXTS)
    def branch(self, tab: int, chosen: int, text: str) -> None:
        """Say something else than then, in a session that begins with a copy."""
        said = self._seen("message.accepted")
        if said:
            event = said[-1 - chosen % len(said)]
            self._command(
                tab,
                type="session.branch",
                session_id=event["stream"].partition(":")[2],
                message_id=event["data"]["message_id"],
                text=text,
            )

    def _count(self, command_type: str) -> int:
        return [each["type"] for each in self.commands.values()].count(command_type)

    @precondition(lambda self: len(self.sessions) > 1 + len(self.deleted))
    @precondition(lambda self: len(self.deleted) < _DELETED)
    @rule(tab=_TABS_CHOSEN, chosen=_CHOSEN)
    def delete(self, tab: int, chosen: int) -> None:
        """Delete a session, whatever happens in it."""
        session_id = self._session(chosen)
        self.deleted.add(session_id)
        self._command(tab, type="session.delete", session_id=session_id)

    @precondition(lambda self: bool(self.commands))
    @rule(tab=_TABS_CHOSEN, chosen=_CHOSEN)
    def repeat(self, tab: int, chosen: int) -> None:
        """Send a command once more, by any tab."""
        frames = list(self.commands.values())
        self._did("repeat")
        self._send(tab, frames[chosen % len(frames)])

    def _command(self, tab: int, **frame: Any) -> None:
        request_id = str(uuid4())
        self.commands[request_id] = {"request_id": request_id, **frame}
        self._send(tab, self.commands[request_id])

    def _send(self, tab: int, frame: Frame) -> None:
        self._did(frame["type"], f"tab {tab}, {frame}")
        self.sends[frame["request_id"]] += 1
        self._say(tab, json.dumps(frame))

    def _say(self, tab: int, text: str) -> None:
        # Lost, as on any network, when the gateway has just closed the connection.
        with suppress(ConnectionClosed):
            self.loop.run(self.tabs[tab].send_text(text))

    @rule(tab=_TABS_CHOSEN)
    def say_hello_again(self, tab: int) -> None:
        """Say hello a second time, which is refused and ends nothing."""
        self._did("hello again", f"tab {tab}")
        self.hellos[tab] += 1
        self._say(tab, json.dumps({"type": "hello", "streams": []}))

    @rule(tab=_TABS_CHOSEN, text=_NONSENSE)
    def talk_nonsense(self, tab: int, text: str) -> None:
        """Send what is no frame: this connection is closed, and no other."""
        self._did("nonsense", f"tab {tab}, {text!r}")
        self.nonsense[tab] += 1
        self._say(tab, text)

    # What networks and machines do

    @rule(tab=_TABS_CHOSEN, cleanly=st.booleans())
    def drop(self, tab: int, *, cleanly: bool) -> None:
        """Lose a connection, with or without a word; it comes back by itself."""
        self._did("drop", f"tab {tab}, cleanly {cleanly}")
        self.loop.run(self._drop(self.tabs[tab], cleanly=cleanly))

    async def _drop(self, tab: SocketClient, *, cleanly: bool) -> None:
        if cleanly:
            await tab.leave()
        else:
            tab.drop()

    @rule(milliseconds=st.sampled_from([1, 20, 100, 300]))
    def let_pass(self, milliseconds: int) -> None:
        """Let time pass."""
        self._did("let pass", f"{milliseconds} ms")
        self.loop.run(asyncio.sleep(milliseconds / 1_000))

    @precondition(lambda self: self.victim is not Victim.NOBODY)
    @rule()
    def kill(self) -> None:
        """Kill a process and start it again, while everything goes on."""
        self._kill()

    def _kill(self) -> None:
        victim, self.victim = self.victim, Victim.NOBODY
        process: StackProcess = self.stack.gateway
        if victim is Victim.ORCHESTRATOR:
            process = self.stack.orchestrator
        self._did(f"kill the {process.name}")
        process.kill()
        process.spawn()

    # What holds

    @invariant()
    def no_tab_saw_anything_it_should_not(self) -> None:
        """Dense and increasing numbers, known codes, an answer at most each."""
        for number, tab in enumerate(self.tabs):
            assert set(tab.closes) <= _CLOSE_CODES
            assert tab.closes.count(_MALFORMED) <= self.nonsense[number]
            assert len(_refused_frames(tab)) <= self.hellos[number]
            assert tab.strays == []
            broken = {each.stream: each.violations for each in tab.states}
            assert not any(broken.values()), f"{broken} after {tab.frames[-30:]}"
        answers = self._answers()
        surplus = {each: n for each, n in answers.items() if n > self.sends[each]}
        assert surplus == {}, "answered more often than asked"

    def _answers(self) -> Counter[str]:
        return Counter(
            frame["request_id"]
            for tab in self.tabs
            for frame in tab.frames
            if frame["type"] in {"ack", "error"} and frame.get("request_id")
        )

    @override
    def teardown(self) -> None:
        """Let everything come to its end and compare all there is to compare."""
        try:
            if self.tabs:
                self.loop.run(self._conclude())
        except BaseException:
            # Told at the first failure: what it is shrunk to may not fail again.
            sys.stdout.write("\n".join(["failed:", *self.steps, ""]))
            raise
        finally:
            self.loop.run(self._leave())
            self.loop.close()

    async def _leave(self) -> None:
        for tab in self.tabs:
            await tab.__aexit__(None, None, None)
        if self.founder is not None:
            await self.founder.__aexit__(None, None, None)

    async def _conclude(self) -> None:
        if self.victim is not Victim.NOBODY:
            self._kill()
        for process in (self.stack.orchestrator, self.stack.gateway):
            await process.until_ready()
        for tab in self.tabs:
            await tab.heard()
        await self._answer_everything()
        self._adopt_branches()
        there = [each for each in self.sessions if each not in self.deleted]
        for session_id in self.deleted:
            gone = await self._me.http.get(f"/v1/sessions/{session_id}")
            assert gone.status_code == 404
        for session_id in there:
            await self._prove_session(f"session:{session_id}")
        await self._is_answered(there[0])
        listed = (await self._me.http.get("/v1/sessions")).json()["sessions"]
        assert {each["session_id"] for each in listed} == set(there)
        self.no_tab_saw_anything_it_should_not()
        for tab in self.tabs:
            self.happened.update(f"closed with {code}" for code in tab.closes)
            self.happened["hello refused"] += len(_refused_frames(tab))

    async def _is_answered(self, session_id: str) -> None:
        """Whatever was done, the next message is answered as any other."""
        accepted = await self._me.send(session_id, "Where were we?")
        await self._prove_session(f"session:{session_id}")
        assert (await self._me.run(accepted["run_id"]))["state"] == "finished"

    async def _answer_everything(self) -> None:
        """Send again what was never answered, and compare all answers."""
        for request_id, frame in self.commands.items():
            answer = await self.tabs[0].command(frame["type"], **frame)
            self.sends[request_id] += 1
            self.happened[f"{answer['type']} of {frame['type']}"] += 1
            acks = [
                _essence(each)
                for tab in self.tabs
                for each in tab.frames
                if each.get("request_id") == request_id and each["type"] == "ack"
            ]
            assert len(set(acks)) <= 1, f"told differently: {acks}"
            if acks and frame.get("session_id") not in self.deleted:
                assert answer["type"] == "ack" or answer["code"].endswith("_unknown")

    async def _prove_session(self, stream: str) -> None:
        """Every tab, a snapshot and REST tell the same, each run ended once."""
        session_id = stream.partition(":")[2]
        async with self._me.socket(stream, from_start=False) as fresh:
            await fresh.until(lambda: fresh.state(stream).is_live)
            shown = fresh.state(stream)
            await fresh.until(
                lambda: set(shown.runs) <= set(shown.run_ends),
                timeout_seconds=_END_SECONDS,
            )
            log = await prove_log(self._me, session_id)
            self.happened.update(log.run_ends.values())
            for tab in [fresh, *self.tabs]:
                for state in tab.states:
                    if state.stream == stream:
                        await tab.until(lambda of=state: of.last_seq >= log.last_seq)  # type: ignore[misc] # bound
                        assert _fold(state) == _fold(log)


def _refused_frames(tab: SocketClient) -> list[Frame]:
    """List the refusals of what was neither a command nor a subscription."""
    return [
        frame
        for frame in tab.frames
        if frame["type"] == "error"
        and frame.get("request_id") is None
        and frame.get("stream") is None
    ]


def _fold(state: StreamState) -> tuple[int, dict[str, str], dict[str, str]]:
    return state.last_seq, state.texts, state.statuses


def _essence(ack: Frame) -> tuple[tuple[str, object], ...]:
    """What an ack says but for where the run stood when it was sent."""
    return tuple(sorted((name, str(value)) for name, value in ack.items()))
