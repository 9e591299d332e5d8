"""Any order of commands, proposals, losses and restarts keeps every promise."""

import asyncio
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.errors import VentureBotsError
from libs.testing.stream_state import reduce_log
from services.api_gateway.errors import SessionUnknownError
from services.api_gateway.store import (
    CommandKey,
    DispatchPlace,
    NewSession,
    RunProposal,
    WhenBusy,
)
from services.api_gateway.store_sql import open_store, verify
from services.api_gateway.store_sql.store import SqlStore
from services.api_gateway.store_sql.tests.bench import (
    Clock,
    Published,
    ended,
    numbered,
    opened,
    started,
    step,
    step_done,
)
from services.api_gateway.wire.views import FeedbackValue, MessageView, Role, RunError

LEASE_SECONDS = 15
LOST = RunError(code="run_lost", detail="gone", retryable=True)
TERMINALS = {
    "run.finished": {},
    "run.failed": LOST.model_dump(),
    "run.cancelled": {"reason": "founder"},
}
EXAMPLES = 30


def script(number: int) -> list[RunProposal]:
    """What an orchestrator proposes for one run; the number decides how it goes."""
    terminal = list(TERMINALS)[number % 3]
    name, pieces = str(uuid4()), ["wörd "] * (number % 5)
    words = opened(name, *pieces) if pieces else []
    if number % 2 and pieces:
        words.append(ended(name, len("".join(pieces))))
    return numbered(
        [
            started(),
            step("1", "reply"),
            *words,
            *([step_done("1")] if number % 4 else []),
            (terminal, TERMINALS[terminal]),
        ]
    )


class World:
    """Founders, one orchestrator and one gateway after the other on a database.

    Every action takes two numbers that choose what it is done to; those that can be
    refused may be.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "venturebots.db"
        self.clock, self.published = Clock(), Published()
        self.sessions: list[str] = []
        self.runs: list[str] = []
        self.scripts: dict[str, list[RunProposal]] = {}
        self.life = 0
        self.store: SqlStore
        self.founder_id = ""

    async def begin(self) -> None:
        """Open an empty database with a founder who has a session."""
        await self.open()
        self.founder_id = (await self.store.create_founder("hash")).founder_id
        await self.create_session(0, 0)

    async def open(self) -> None:
        """Begin a life of the gateway."""
        self.life += 1
        self.store = await open_store(
            path=self.path,
            publish=self.published.events.extend,
            end_stream=self.published.ended.append,
            lease_seconds=LEASE_SECONDS,
            clock=self.clock,
        )

    async def close(self, *, is_clean: bool) -> None:
        """End a life, in order or not."""
        if is_clean:
            await self.store.aclose()
            return
        await self.store.writer.aclose()
        self.store.readers.close()
        self.store.lock.release()

    @property
    def owner(self) -> str:
        """Who holds the leases of this life."""
        return f"gateway-{self.life}"

    def key(self, route: str) -> CommandKey:
        """A command that was not sent before."""
        return CommandKey(self.founder_id, route, str(uuid4()), "")

    def session(self, number: int) -> str:
        """One of the sessions, deleted ones too."""
        return self.sessions[number % len(self.sessions)]

    def run(self, number: int) -> str:
        """One of the runs, or one that never was."""
        return self.runs[number % len(self.runs)] if self.runs else str(uuid4())

    async def create_session(self, first: int, _second: int) -> None:
        """A session, with an opening or without."""
        new = NewSession(None, has_opening=bool(first % 2))
        made = await self.store.create_session(self.key("c"), new)
        self.sessions.append(made.session.session_id)

    async def send(self, first: int, second: int) -> None:
        """A message, when the session takes one."""
        accepted = await self.store.accept_message(
            self.key("m"),
            self.session(first),
            f"hello {second}",
            list(WhenBusy)[second % 3],
        )
        self.runs.append(accepted.run_id)

    async def claim(self, first: int, second: int) -> None:
        """Claim what may run, and perhaps die before it is dispatched."""
        for work in await self.store.claim_runnable(self.owner, 2):
            if work.run_id not in self.runs:
                self.runs.append(work.run_id)
            if second % 4:
                await self.store.record_dispatch(
                    work.run_id, DispatchPlace("there", "i")
                )
                self.scripts.setdefault(work.run_id, script(first))

    async def propose(self, first: int, second: int) -> None:
        """The next events of every dispatched run, some for the second time."""
        for run_id, proposals in self.scripts.items():
            known = (await self.store.append_run_events(run_id, [])).last_offset
            begin = max(0, known - first % 4)
            await self.store.append_run_events(
                run_id, proposals[begin : known + 3 + second % 12]
            )

    async def lose(self, first: int, _second: int) -> None:
        """The process of a run is gone."""
        await self.store.fail_run(self.run(first), LOST)

    async def cancel(self, first: int, _second: int) -> None:
        """The founder stops a run."""
        decision = await self.store.cancel_run(self.key("x"), self.run(first))
        assert decision.active is None or decision.active.is_cancel_requested

    async def retry(self, first: int, _second: int) -> None:
        """The founder tries the last run again."""
        retried = await self.store.retry_run(self.key("r"), self.run(-1 - first % 3))
        if retried.run_id not in self.runs:
            self.runs.append(retried.run_id)

    async def rate(self, first: int, second: int) -> None:
        """The founder rates what can be rated."""
        page = await self.store.messages(
            self.founder_id, self.session(first), before_seq=None, limit=9
        )
        for message in page.messages:
            with suppress(VentureBotsError):
                await self.store.rate_message(
                    self.key("f"),
                    message.message_id,
                    list(FeedbackValue)[second % 3],
                    None,
                )

    async def branch(self, first: int, second: int) -> None:
        """The founder goes back to something they said, copied or not."""
        stream = f"session:{self.session(first)}"
        for event in reversed(self.published.events[-200:]):
            if event.type == "message.accepted" and second % 4:
                # Where something was said last, there is something to copy.
                stream = event.stream
                break
        session_id = stream.partition(":")[2]
        page = await self.store.messages(self.founder_id, session_id, limit=9)
        own = [each for each in page.messages if each.role is Role.FOUNDER]
        if not own:
            return
        branched = await self.store.branch_session(
            self.key("b"), session_id, own[-1].message_id, "hello again"
        )
        self.sessions.append(branched.session.session_id)
        self.runs.append(branched.run_id)

    async def change(self, first: int, second: int) -> None:
        """The founder names, pins and archives a session."""
        await self.store.update_session(
            self.key("u"),
            self.session(first),
            title=f"hello {second}" if first % 2 else None,
            is_archived=bool(second % 2),
            is_pinned=bool(second % 3),
        )

    async def delete(self, first: int, _second: int) -> None:
        """The founder deletes a session and begins another."""
        await self.store.delete_session(self.key("d"), self.session(first))
        await self.create_session(first, 0)

    async def pass_time(self, first: int, _second: int) -> None:
        """Leases end, sessions become idle and are compacted."""
        self.clock.seconds += first
        await self.store.compact(older_than_seconds=20, limit=10)

    async def adopt(self, _first: int, _second: int) -> None:
        """Take over what others left."""
        await self.store.adopt_runs(self.owner)

    async def restart(self, first: int, _second: int) -> None:
        """The gateway ends, in order or not, and another one begins."""
        epoch, is_clean = self.store.epoch, bool(first % 2)
        await self.close(is_clean=is_clean)
        await self.open()
        assert (self.store.epoch == epoch) is is_clean
        await self.store.adopt_runs(self.owner)

    async def prove(self) -> None:
        """Whatever happened, nobody missed an event or saw one twice."""
        seqs: dict[str, list[int]] = defaultdict(list)
        for event in self.published.events:
            seqs[event.stream].append(event.seq)
        for stream, published in seqs.items():
            assert published == list(range(1, len(published) + 1))
            page = await self.store.log_page(stream, 0, 10_000)
            if page.last_seq and not page.compacted_through:
                assert list(page.events) == self.published.of(stream)
                self.prove_fold(stream, await self.shown(stream))
        await self.prove_search()
        await self.close(is_clean=True)
        assert await verify(self.path) == []

    async def shown(self, stream: str) -> list[MessageView]:
        """The messages of a session's stream as they are read."""
        kind, _, session_id = stream.partition(":")
        if kind != "session":
            return []
        page = await self.store.messages(self.founder_id, session_id, limit=1_000)
        return page.messages

    def prove_fold(self, stream: str, messages: list[MessageView]) -> None:
        """A client that was there from the beginning sees what is read."""
        log = [json.loads(event.frame) for event in self.published.of(stream)]
        state = reduce_log(stream, log)
        assert state.violations == []
        # A message that ended without a word is not kept.
        seen = {
            name: (text, state.statuses[name])
            for name, text in state.texts.items()
            if text or state.statuses[name] == "streaming"
        }
        assert seen == {
            each.message_id: (each.text, each.status.value) for each in messages
        }

    async def prove_search(self) -> None:
        """What is found is what is there, all of it."""
        wanted: Counter[str] = Counter()
        for session_id in set(self.sessions):
            with suppress(SessionUnknownError):
                session = await self.store.session(self.founder_id, session_id)
                wanted[session_id] += "hello" in session.title
                wanted[session_id] += sum(
                    "hello" in message.text
                    for message in await self.shown(session.stream)
                )
        page = await self.store.search(
            self.founder_id, query="HELL", cursor=None, limit=10_000
        )
        assert Counter(hit.session.session_id for hit in page.hits) == +wanted


Action = Callable[[World, int, int], Awaitable[None]]
ACTIONS: list[Action] = [
    *[World.send] * 4,
    *[World.claim] * 4,
    *[World.propose] * 6,
    *[World.retry] * 2,
    World.create_session,
    World.lose,
    World.cancel,
    World.rate,
    World.branch,
    World.branch,
    World.change,
    World.delete,
    World.pass_time,
    World.adopt,
    World.restart,
]
numbers = st.integers(0, 59)


async def live(actions: list[tuple[Action, int, int]]) -> Counter[str]:
    """Let the actions happen to a new database; what was told, by type."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        await world.begin()
        for action, first, second in actions:
            with suppress(VentureBotsError):
                await action(world, first, second)
        await world.prove()
        return Counter(event.type for event in world.published.events)


def test_every_interleaving_keeps_every_promise() -> None:
    told: Counter[str] = Counter()

    @settings(max_examples=EXAMPLES, deadline=None, database=None)
    @given(st.lists(st.tuples(st.sampled_from(ACTIONS), numbers, numbers), min_size=20))
    def check(actions: list[tuple[Action, int, int]]) -> None:
        told.update(asyncio.run(live(actions)))

    check()
    rare = {"run.finished", "run.failed", "run.cancelled"}
    rare |= {"message.queued", "message.copied"}
    assert all(told[kind] for kind in rare), told
