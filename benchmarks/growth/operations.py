"""What one operation of the store costs on a database of some size."""

import asyncio
import random
import resource
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import batched
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.growth.load import LONG_TURNS, Loaded
from services.api_gateway.store import (
    CommandKey,
    NewSession,
    RunProposal,
    Store,
    WhenBusy,
)
from services.api_gateway.store_sql import back_up, open_store

__all__ = ["COMPACTION", "SEARCH_IN_ALL_SESSIONS", "Costs", "measure"]

SEARCH_IN_ALL_SESSIONS = "search, by their owner"
COMPACTION = "compact an event"

_ROUNDS = 200
_PAGE = 50
_DELTAS = 20
_BATCH = 6
_SEQ_OF_LONG_SESSION = 25_000
_COMPACTIONS = 40
_COMPACT_EVENTS = 200


type _Operations = dict[str, Callable[[], Awaitable[None]]]


@dataclass(slots=True)
class Costs:
    """Per operation: CPU of the process and time, in µs; whole acts in seconds."""

    events: int
    cpu_us: dict[str, float] = field(default_factory=dict)
    wall_us: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    verify_megabytes: float = 0.0


async def measure(loaded: Loaded) -> Costs:
    """Measure every operation on a loaded database, and the acts on all of it."""
    costs = Costs(loaded.events)
    began = time.perf_counter()
    store = await open_store(
        path=loaded.path, publish=lambda _events: None, end_stream=lambda _stream: None
    )
    costs.seconds["start"] = time.perf_counter() - began
    for name, operation in _Reads(store, loaded).operations().items():
        await _repeat(costs, {name: operation})
    turn = _Turn(store, loaded)
    await _repeat(costs, {"create": turn.create})
    await _repeat(costs, {"send": turn.accept, "answer": turn.answer})
    await _back_up(costs, store, loaded)
    await _compact(costs, store)
    began = time.perf_counter()
    await store.aclose()
    costs.seconds["stop"] = time.perf_counter() - began
    began = time.perf_counter()
    await _verify(loaded.path)
    costs.seconds["verify"] = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    costs.verify_megabytes = used / 1_000
    return costs


async def _verify(database: Path) -> None:
    """Check the database in a process of its own, whose memory is then known."""
    words = ("-m", "services.api_gateway", "verify", "--database", str(database))
    checking = await asyncio.create_subprocess_exec(sys.executable, *words)
    if await checking.wait():
        raise SystemExit("the loaded database contradicts itself")


class _Reads:
    """What is read when a page is opened, scrolled and searched."""

    def __init__(self, store: Store, loaded: Loaded) -> None:
        self._store = store
        self._loaded = loaded
        self._chance = random.Random(1)  # noqa: S311 - what is read, not a secret

    def operations(self) -> _Operations:
        """Name all of them."""
        return {
            "list": self.list_sessions,
            "open": self.open,
            "history page": self.page,
            "replay page": self.replay,
            "search": self.search,
            "search, found in all": lambda: self._find(self._loaded.other_founder_id),
            SEARCH_IN_ALL_SESSIONS: lambda: self._find(self._loaded.founder_id),
        }

    async def list_sessions(self) -> None:
        """List the founder's sessions, the last used first."""
        founder = self._loaded.founder_id
        await self._store.sessions(
            founder, cursor=None, limit=_PAGE, is_archived=False, title_query=None
        )

    async def open(self) -> None:
        """Take the snapshot of a session."""
        session_id = self._chance.choice(self._loaded.sessions)
        await self._store.snapshot(f"session:{session_id}")

    async def page(self) -> None:
        """Read a page of the long session."""
        before = self._chance.randrange(_SEQ_OF_LONG_SESSION)
        founder, session_id = self._loaded.other_founder_id, self._loaded.long_session
        await self._store.messages(founder, session_id, before_seq=before, limit=_PAGE)

    async def replay(self) -> None:
        """Read events of the long session."""
        after = self._chance.randrange(_SEQ_OF_LONG_SESSION)
        stream = f"session:{self._loaded.long_session}"
        await self._store.log_page(stream, after, _PAGE)

    async def search(self) -> None:
        """Look for one message."""
        query = f"question {self._chance.randrange(LONG_TURNS)}"
        await self._find(self._loaded.other_founder_id, query)

    async def _find(self, founder_id: str, query: str = "word") -> None:
        await self._store.search(founder_id, query=query, cursor=None, limit=20)


class _Turn:
    """Messages in random sessions and their answers."""

    def __init__(self, store: Store, loaded: Loaded) -> None:
        self._store = store
        self._loaded = loaded
        self._chance = random.Random(2)  # noqa: S311 - which session, not a secret

    async def create(self) -> None:
        """Create a session."""
        key = CommandKey(self._loaded.founder_id, "session.create", str(uuid4()), "")
        await self._store.create_session(key, NewSession(None, has_opening=False))

    async def accept(self) -> None:
        """Accept a message."""
        key = CommandKey(
            self._loaded.founder_id, "message.send", str(uuid4()), "digest"
        )
        session_id = self._chance.choice(self._loaded.sessions)
        await self._store.accept_message(key, session_id, "Hello?", WhenBusy.INTERRUPT)

    async def answer(self) -> None:
        """Claim a run and carry it to its end."""
        (work,) = await self._store.claim_runnable("bench", 1)
        name = str(uuid4())
        data = {"message_id": name, "text": "word "}
        script: list[tuple[str, dict[str, Any]]] = [
            ("run.started", {"crew": "coach", "digest": "0", "generations": {}}),
            ("message.started", {"message_id": name, "agent": "coach"}),
            *[("message.delta", data)] * _DELTAS,
            (
                "message.finished",
                {"message_id": name, "status": "complete", "length": 5 * _DELTAS},
            ),
            ("run.finished", {}),
        ]
        proposals = [RunProposal(n, *one) for n, one in enumerate(script, 1)]
        for batch in batched(proposals, _BATCH):
            await self._store.append_run_events(work.run_id, batch)


async def _repeat(costs: Costs, operations: _Operations) -> None:
    """Do the operations in turns: one makes what the next needs."""
    cpu: dict[str, list[float]] = {name: [] for name in operations}
    wall: dict[str, list[float]] = {name: [] for name in operations}
    for _ in range(_ROUNDS):
        for name, operation in operations.items():
            began, began_cpu = time.perf_counter(), time.process_time()
            await operation()
            wall[name].append(time.perf_counter() - began)
            cpu[name].append(time.process_time() - began_cpu)
    for name in operations:
        costs.cpu_us[name] = statistics.fmean(cpu[name]) * 1e6
        costs.wall_us[name] = statistics.median(wall[name]) * 1e6


async def _back_up(costs: Costs, store: Store, loaded: Loaded) -> None:
    """Back up, and see how long the writer is kept waiting meanwhile."""
    copy = loaded.path.with_name("copy.db")
    began = time.perf_counter()
    copying = asyncio.create_task(asyncio.to_thread(back_up, loaded.path, copy))
    waits = [0.0]
    while not copying.done():
        asked = time.perf_counter()
        await store.renew_leases("bench")
        waits.append(time.perf_counter() - asked)
        await asyncio.wait({copying}, timeout=0.01)
    await copying
    costs.seconds["backup"] = time.perf_counter() - began
    costs.seconds["longest write during it"] = max(waits)
    copy.unlink()


async def _compact(costs: Costs, store: Store) -> None:
    """Compact for a while: the longest a commit waits, and the cost of an event."""
    took, dropped, cpu = [0.0], 0, time.process_time()
    for _ in range(_COMPACTIONS):
        began = time.perf_counter()
        gone = await store.compact(older_than_seconds=3600, limit=_COMPACT_EVENTS)
        took.append(time.perf_counter() - began)
        dropped += gone
        if gone < _COMPACT_EVENTS:
            break
    if dropped:
        costs.cpu_us[COMPACTION] = (time.process_time() - cpu) / dropped * 1e6
    costs.seconds["longest compaction"] = max(took)
