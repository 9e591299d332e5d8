"""Any order of commands, proposals, losses and restarts keeps every promise."""

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, override
from uuid import uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from libs.errors import VentureBotsError
from services.api_gateway.store import (
    CommandKey,
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
from services.api_gateway.wire.views import FeedbackValue, RunError

LEASE_SECONDS = 15
LOST = RunError(code="run_lost", detail="gone", retryable=True)


def script(pieces: list[str], terminal: str) -> list[RunProposal]:
    """What an orchestrator proposes for one run."""
    name, text = str(uuid4()), "".join(pieces)
    data: dict[str, object] = {
        "run.finished": {},
        "run.failed": LOST.model_dump(),
        "run.cancelled": {"reason": "founder"},
    }[terminal]
    whole = [*opened(name, *pieces), ended(name, len(text))] if pieces else []
    return numbered(
        [started(), step("1", "reply"), *whole, step_done("1"), (terminal, data)]
    )


class Gateway(RuleBasedStateMachine):
    """Founders and one orchestrator at work on one database."""

    sessions: Bundle[str] = Bundle("sessions")
    runs: Bundle[str] = Bundle("runs")

    @initialize()
    def begin(self) -> None:
        """Open an empty store with one founder."""
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "venturebots.db"
        self.clock, self.published = Clock(), Published()
        self.scripts: dict[str, list[RunProposal]] = {}
        self.life = 0
        self.open()
        self.founder_id = self.wait(self.store.create_founder("hash")).founder_id

    def wait[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end."""
        return self.runner.run(work)

    def tried[T](self, work: Coroutine[Any, Any, T]) -> T | None:
        """Run to the end; a typed refusal is an answer too."""
        try:
            return self.wait(work)
        except VentureBotsError:
            return None

    def open(self) -> None:
        """Begin a life of the process."""
        self.life += 1
        self.store: SqlStore = self.wait(
            open_store(
                path=self.path,
                publish=self.published.events.extend,
                end_stream=self.published.ended.append,
                lease_seconds=LEASE_SECONDS,
                clock=self.clock,
            )
        )

    @property
    def owner(self) -> str:
        """The process that holds leases."""
        return f"gateway-{self.life}"

    def key(self, route: str) -> CommandKey:
        """A command that was not sent before."""
        return CommandKey(self.founder_id, route, str(uuid4()), "")

    @rule(target=sessions, has_opening=st.booleans())
    def create_session(self, has_opening: bool) -> str:  # noqa: FBT001 - drawn
        """A session, with an opening or without."""
        made = self.wait(
            self.store.create_session(self.key("c"), NewSession(None, has_opening))
        )
        return made.session.session_id

    @rule(target=runs, session=sessions, when_busy=st.sampled_from(WhenBusy))
    def send(self, session: str, when_busy: WhenBusy) -> Any:
        """A message, when the session takes one."""
        accepted = self.tried(
            self.store.accept_message(self.key("m"), session, "hello", when_busy)
        )
        return multiple() if accepted is None else accepted.run_id

    @rule(
        target=runs,
        pieces=st.lists(st.text(min_size=1, max_size=4), max_size=4),
        terminal=st.sampled_from(["run.finished", "run.failed", "run.cancelled"]),
        is_dispatched=st.booleans(),
    )
    def claim(self, pieces: list[str], terminal: str, is_dispatched: bool) -> Any:  # noqa: FBT001 - drawn
        """Claim what may run, and perhaps die before it is dispatched."""
        claimed = self.wait(self.store.claim_runnable(self.owner, 2))
        for work in claimed:
            self.scripts.setdefault(work.run_id, script(pieces, terminal))
            if is_dispatched:
                self.wait(self.store.record_dispatch(work.run_id, "there", "i"))
        return multiple(*(work.run_id for work in claimed))

    @rule(run=runs, upto=st.integers(1, 12), again=st.integers(0, 3))
    def propose(self, run: str, upto: int, again: int) -> None:
        """The next events, some of them for the second time."""
        proposals = self.scripts.get(run, [])
        known = self.wait(self.store.append_run_events(run, [])).last_offset
        begin = max(0, known - again)
        self.wait(self.store.append_run_events(run, proposals[begin : known + upto]))

    @rule(run=runs)
    def lose(self, run: str) -> None:
        """The run's process is gone."""
        self.wait(self.store.fail_run(run, LOST))

    @rule(run=runs)
    def cancel(self, run: str) -> None:
        """The founder stops a run."""
        decision = self.tried(self.store.cancel_run(self.key("x"), run))
        if decision is not None and decision.active is not None:
            assert decision.active.is_cancel_requested

    @rule(target=runs, run=runs)
    def retry(self, run: str) -> Any:
        """The founder tries again."""
        retried = self.tried(self.store.retry_run(self.key("r"), run))
        return multiple() if retried is None else retried.run_id

    @rule(session=sessions, value=st.sampled_from(FeedbackValue))
    def rate(self, session: str, value: FeedbackValue) -> None:
        """The founder rates what can be rated."""
        page = self.tried(
            self.store.messages(self.founder_id, session, before_seq=None, limit=9)
        )
        for message in page.messages if page else []:
            self.tried(
                self.store.rate_message(self.key("f"), message.message_id, value, None)
            )

    @rule(session=consumes(sessions))
    def delete(self, session: str) -> None:
        """The founder deletes a session."""
        self.tried(self.store.delete_session(self.key("d"), session))

    @rule(seconds=st.integers(0, 40))
    def pass_time(self, seconds: int) -> None:
        """Leases end, sessions become idle and are compacted."""
        self.clock.seconds += seconds
        self.wait(self.store.compact(older_than_seconds=20, limit=10))

    @rule()
    def adopt(self) -> None:
        """Take over what others left."""
        self.wait(self.store.adopt_runs(self.owner))

    @rule(is_clean=st.booleans())
    def restart(self, is_clean: bool) -> None:  # noqa: FBT001 - drawn
        """The process ends, in order or not, and another one begins."""
        epoch = self.store.epoch
        self.close(is_clean=is_clean)
        self.open()
        assert (self.store.epoch == epoch) is is_clean
        self.adopt()

    def close(self, *, is_clean: bool) -> None:
        """End a life, in order or not."""
        if is_clean:
            self.wait(self.store.aclose())
            return
        self.wait(self.store.writer.aclose())
        self.store.readers.close()
        self.store.lock.release()

    @invariant()
    def every_seq_was_published_once_and_in_order(self) -> None:
        """Nobody misses an event or sees one twice."""
        if not hasattr(self, "published"):
            return
        seqs: dict[str, list[int]] = defaultdict(list)
        for event in self.published.events:
            seqs[event.stream].append(event.seq)
        for published in seqs.values():
            assert published == list(range(1, len(published) + 1))

    @override
    def teardown(self) -> None:
        if not hasattr(self, "store"):
            return
        for stream in {event.stream for event in self.published.events}:
            page = self.wait(self.store.log_page(stream, 0, 10_000))
            if page.last_seq and not page.compacted_through:
                assert list(page.events) == self.published.of(stream)
        self.close(is_clean=True)
        findings = self.wait(verify(self.path))
        self.runner.close()
        self.folder.cleanup()
        assert findings == []


Gateway.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestInterleavings = Gateway.TestCase
