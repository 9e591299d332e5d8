"""Which orchestrators there are, and which one takes the next run."""

import asyncio
import heapq
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from libs.errors import VentureBotsError
from libs.rpc.bearer import BearerToken
from libs.rpc.channel import connect
from services.api_gateway.clients.orchestrator import (
    OrchestratorClient,
    OrchestratorDescription,
)
from services.api_gateway.runs.resolver import (
    AddressResolver,
    Lookup,
    is_final_address,
    look_up_by_system,
)
from services.api_gateway.store import DispatchPlace

__all__ = ["Orchestrator", "OrchestratorDirectory"]

_logger = structlog.get_logger(__name__)

POLL_SECONDS = 2.0
RETRY_SECONDS = 0.25
RESOLVE_SECONDS = 2.0


@dataclass(slots=True)
class Orchestrator:
    """One address as it was last seen."""

    client: OrchestratorClient
    description: OrchestratorDescription | None = None
    last_seen: float = 0.0
    dispatched: int = 0
    """Runs handed over since the description was taken."""
    visits: int = 0
    """Runs that are followed, or stopped, there just now."""
    poll: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """`host:port`."""
        return self.client.address

    @property
    def load(self) -> int:
        """How many runs it has, as far as is known."""
        if self.description is None:
            return self.dispatched
        told = self.description.active_runs + self.description.queued_runs
        return told + self.dispatched

    def silent_seconds(self) -> float:
        """For how long nothing was heard of it."""
        return time.monotonic() - self.last_seen


class OrchestratorDirectory:
    """Resolves names, asks every address how it is, and picks the least loaded.

    A name with several addresses (a headless Service) gives one orchestrator per
    address; it is resolved again every 2 s. An address that is gone takes no new
    run and is forgotten once no run of it is followed any more. Raises ValueError
    for a name that is neither `host:port` nor `unix:path`.
    """

    def __init__(
        self,
        *,
        names: Iterable[str],
        token_file: Path | None,
        look_up: Lookup = look_up_by_system,
        resolve_seconds: float = RESOLVE_SECONDS,
    ) -> None:
        if token_file is not None:
            # Told to who starts the gateway, rather than to each run.
            BearerToken(token_file)
        self._resolver = AddressResolver(names, look_up=look_up)
        self._resolve_seconds = resolve_seconds
        self._token_file = token_file
        self._known: dict[str, Orchestrator] = {}
        self._changed = asyncio.Event()
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to resolve and to ask; returns at once."""
        self._following = asyncio.create_task(self._follow_forever())

    async def aclose(self) -> None:
        """Stop asking and close every channel."""
        tasks = [known.poll for known in self._known.values() if known.poll]
        if self._following is not None:
            tasks.append(self._following)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for known in self._known.values():
            await known.client.aclose()
        self._known.clear()

    def seen(self) -> list[Orchestrator]:
        """Every address that is asked now, in a stable order."""
        return [
            self._known[address]
            for address in sorted(self._known)
            if self._known[address].poll is not None
        ]

    @contextmanager
    def visit(self, address: str) -> Iterator[Orchestrator]:
        """Reach the orchestrator a run was dispatched to, whatever DNS says now.

        It is not forgotten within the block. Addresses of runs are answers of the
        resolver that were committed; a host name is none, and raises ValueError:
        gRPC would look it up by itself and show the token to whoever is there.
        """
        if not is_final_address(address):
            message = f"{address!r} is not where a run can have been dispatched to"
            raise ValueError(message)
        known = self._at(address)
        known.visits += 1
        try:
            yield known
        finally:
            known.visits -= 1

    def places(self, count: int) -> list[DispatchPlace]:
        """Where that many runs would go, each to the least loaded; empty: nowhere."""
        ready = {
            known.description.instance_id: known
            for known in self.seen()
            if known.description is not None and known.description.is_ready
        }
        # By instance: a process with two addresses has not twice the room.
        loads = [
            (known.load, known.address, instance_id)
            for instance_id, known in ready.items()
        ]
        heapq.heapify(loads)
        places = []
        for _ in range(count if loads else 0):
            load, address, instance_id = loads[0]
            places.append(DispatchPlace(address, instance_id))
            heapq.heapreplace(loads, (load + 1, address, instance_id))
        return places

    def count_dispatch(self, address: str) -> None:
        """Count a run that is handed over until the address tells its load anew."""
        self._at(address).dispatched += 1

    async def pick(self, *, wait_seconds: float) -> DispatchPlace | None:
        """The least loaded that is ready; waits for one; None when none came."""
        deadline = time.monotonic() + wait_seconds
        while True:
            for place in self.places(1):
                self.count_dispatch(place.address)
                return place
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return None
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), remaining)

    async def refresh(self, known: Orchestrator) -> None:
        """Ask one address now; a failure makes it unavailable until it answers."""
        try:
            known.description = await known.client.describe()
        except VentureBotsError as error:
            if known.description is not None:
                _logger.warning(
                    "orchestrator lost", address=known.address, code=error.code
                )
            known.description = None
        except Exception:
            known.description = None
            raise
        else:
            known.last_seen = time.monotonic()
            known.dispatched = 0
            self._changed.set()

    async def _poll_forever(self, known: Orchestrator) -> None:
        while True:
            pause_seconds = POLL_SECONDS
            try:
                await self.refresh(known)
            except Exception:  # nobody else would ask again
                _logger.exception("orchestrator not asked", address=known.address)
            else:
                if known.description is None or not known.description.is_ready:
                    pause_seconds = RETRY_SECONDS
            await asyncio.sleep(pause_seconds)

    async def _follow_forever(self) -> None:
        while True:
            try:
                self._follow(await self._resolver.addresses())
                await self._forget_unused()
            except Exception:  # nobody else would look again
                _logger.exception("orchestrators not followed")
            await asyncio.sleep(self._resolve_seconds)

    def _follow(self, addresses: Collection[str]) -> None:
        for address in addresses:
            known = self._at(address)
            if known.poll is None:
                _logger.info("orchestrator found", address=address)
                known.poll = asyncio.create_task(self._poll_forever(known))
        for address, known in self._known.items():
            if address not in addresses and known.poll is not None:
                _logger.info("orchestrator gone", address=address, visits=known.visits)
                known.poll.cancel()
                known.poll = None
                known.description = None

    def _at(self, address: str) -> Orchestrator:
        known = self._known.get(address)
        if known is None:
            connection = connect(address, token_file=self._token_file)
            known = Orchestrator(client=OrchestratorClient(connection))
            self._known[address] = known
        return known

    async def _forget_unused(self) -> None:
        """Close addresses that are gone and where no run is followed any more."""
        for address, known in list(self._known.items()):
            if known.poll is None and not known.visits:
                del self._known[address]
                await known.client.aclose()
