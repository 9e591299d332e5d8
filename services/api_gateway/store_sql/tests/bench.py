"""A founder with a session, and short ways to make things happen to them."""

import json
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from services.api_gateway.fanout import LoggedEvent
from services.api_gateway.store import (
    Appended,
    CommandKey,
    DispatchPlace,
    NewSession,
    RunProposal,
    RunWork,
    Store,
    WhenBusy,
)
from services.api_gateway.wire.views import Accepted, SessionView

OWNER = "gateway-1"


@dataclass(slots=True)
class Clock:
    """Time that passes when told."""

    seconds: float = 1_800_000_000.0

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self.seconds


@dataclass(slots=True)
class Published:
    """What the store published, in order."""

    events: list[LoggedEvent] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def of(self, stream: str) -> list[LoggedEvent]:
        """The events of one stream."""
        return [event for event in self.events if event.stream == stream]


@dataclass(slots=True)
class Bench:
    """One founder and one session on a store."""

    store: Store
    published: Published
    clock: Clock
    founder_id: str
    session: SessionView

    @classmethod
    async def begin(cls, store: Store, published: Published, clock: Clock) -> "Bench":
        """Create the founder and an empty session."""
        founder = await store.create_founder(uuid4().hex)
        key = CommandKey(founder.founder_id, "session.create", None, "")
        made = await store.create_session(key, NewSession(None, has_opening=False))
        return cls(store, published, clock, founder.founder_id, made.session)

    @property
    def session_id(self) -> str:
        """The session's id."""
        return self.session.session_id

    def key(
        self, route: str, request_id: str | None = None, *, body: str = ""
    ) -> CommandKey:
        """A command of the founder."""
        return CommandKey(self.founder_id, route, request_id, body)

    async def send(
        self, text: str = "hello", *, when_busy: WhenBusy = WhenBusy.WAIT
    ) -> Accepted:
        """Say something in the session."""
        return await self.store.accept_message(
            self.key("message.send", str(uuid4())), self.session_id, text, when_busy
        )

    async def claim(self) -> RunWork:
        """Claim the only runnable run."""
        (work,) = await self.store.claim_runnable(OWNER, 10)
        return work

    async def dispatch(self) -> RunWork:
        """Claim and dispatch the only runnable run."""
        work = await self.claim()
        assert await self.store.record_dispatch(
            work.run_id, DispatchPlace("there:1", "instance-1")
        )
        return work

    async def play(
        self, run_id: str, *proposals: tuple[str, dict[str, Any]], after: int = 0
    ) -> Appended:
        """Append (type, data) of a run with the offsets that follow `after`."""
        return await self.store.append_run_events(
            run_id, numbered(proposals, after=after)
        )

    async def answer(self, text: str = "well") -> str:
        """Let the coach answer the next run in one go; returns the run's id."""
        work = await self.dispatch()
        appended = await self.play(work.run_id, *reply(text), ("run.finished", {}))
        assert appended.is_over
        return work.run_id

    async def log(self, stream: str | None = None) -> list[dict[str, Any]]:
        """The whole log of a stream; of the session by default."""
        page = await self.store.log_page(stream or self.session.stream, 0, 10_000)
        return [json.loads(event.frame) for event in page.events]

    async def types(self) -> list[str]:
        """The types in the session's log."""
        return [event["type"] for event in await self.log()]

    async def texts(self) -> list[tuple[str, str]]:
        """(status, text) of the session's messages."""
        page = await self.store.messages(
            self.founder_id, self.session_id, before_seq=None, limit=100
        )
        return [(message.status.value, message.text) for message in page.messages]


def numbered(
    proposals: Sequence[tuple[str, dict[str, Any]]], *, after: int = 0
) -> list[RunProposal]:
    """Proposals with dense offsets."""
    return [
        RunProposal(
            offset,
            kind,
            data,
            output=data.get("task") and f"output of {data['task']}",
            task=data.get("task"),
        )
        for offset, (kind, data) in enumerate(proposals, after + 1)
    ]


def started() -> tuple[str, dict[str, Any]]:
    """The run has a crew."""
    return "run.started", {"crew": "coach", "digest": "sha256:0", "generations": {}}


def opened(message_id: str, *pieces: str) -> list[tuple[str, dict[str, Any]]]:
    """A message begins and goes on."""
    return [
        ("message.started", {"message_id": message_id, "agent": "coach"}),
        *(
            ("message.delta", {"message_id": message_id, "text": piece})
            for piece in pieces
        ),
    ]


def ended(message_id: str, length: int) -> tuple[str, dict[str, Any]]:
    """A message is whole."""
    return (
        "message.finished",
        {"message_id": message_id, "status": "complete", "length": length},
    )


def reply(text: str, message_id: str | None = None) -> list[tuple[str, dict[str, Any]]]:
    """A started run and a whole message, one piece per word."""
    name = message_id or str(uuid4())
    words = text.split(" ")
    pieces = [*(f"{word} " for word in words[:-1]), words[-1]]
    return [started(), *opened(name, *pieces), ended(name, len(text))]


def step(step_id: str, task: str) -> tuple[str, dict[str, Any]]:
    """A task begins."""
    return (
        "step.started",
        {"step_id": step_id, "task": task, "agent": "coach", "title": "Thinking"},
    )


def step_done(step_id: str) -> tuple[str, dict[str, Any]]:
    """A task is complete."""
    data = {"status": "complete", "duration_ms": 5, "reused": False}
    return "step.finished", {"step_id": step_id, **data}


def query_plan(database: Path, sql: str) -> list[str]:
    """How SQLite would go about a statement, step by step."""
    names = re.findall(r":(\w+)", sql)
    values: Any = dict.fromkeys(names) if names else (None,) * sql.count("?")
    with closing(sqlite3.connect(database)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)
        return [row[3] for row in plan]
