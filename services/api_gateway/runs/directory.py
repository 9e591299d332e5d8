"""Which orchestrators there are, and which one takes the next run."""

import asyncio
import ipaddress
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from libs.errors import VentureBotsError
from libs.rpc.channel import connect
from services.api_gateway.clients.orchestrator import (
    OrchestratorClient,
    OrchestratorDescription,
)

__all__ = ["Orchestrator", "OrchestratorDirectory"]

_logger = structlog.get_logger(__name__)

POLL_SECONDS = 2.0
RETRY_SECONDS = 0.25
RESOLVE_SECONDS = 5.0
KEPT_SECONDS = 3_600.0
"""For how long an address that is gone stays reachable: longer than any run."""


@dataclass(slots=True)
class Orchestrator:
    """One address as it was last seen."""

    client: OrchestratorClient
    description: OrchestratorDescription | None = None
    last_seen: float = 0.0
    wanted_at: float = 0.0
    """When somebody asked for the address; on the monotonic clock."""
    dispatched: int = 0
    """Runs handed over since the description was taken."""
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
    address; it is resolved again every 5 s. Addresses that are gone stay reachable
    through `find` while runs may still be there. Raises ValueError for a name that
    is neither `host:port` nor `unix:path`.
    """

    def __init__(
        self,
        *,
        names: Iterable[str],
        token_file: Path | None,
        resolve_seconds: float = RESOLVE_SECONDS,
        kept_seconds: float = KEPT_SECONDS,
    ) -> None:
        self._resolve_seconds = resolve_seconds
        self._kept_seconds = kept_seconds
        self._names = tuple(_checked(name) for name in names)
        self._token_file = token_file
        self._known: dict[str, Orchestrator] = {}
        self._changed = asyncio.Event()
        self._resolver: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to resolve and to ask; returns at once."""
        self._resolver = asyncio.create_task(self._resolve_forever())

    async def aclose(self) -> None:
        """Stop asking and close every channel."""
        tasks = [known.poll for known in self._known.values() if known.poll]
        if self._resolver is not None:
            tasks.append(self._resolver)
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

    def find(self, address: str) -> Orchestrator:
        """The orchestrator at an address a run was dispatched to."""
        known = self._known.get(address)
        if known is None:
            connection = connect(address, token_file=self._token_file)
            known = Orchestrator(client=OrchestratorClient(connection))
            self._known[address] = known
        known.wanted_at = time.monotonic()
        return known

    async def pick(self, *, wait_seconds: float) -> Orchestrator | None:
        """The least loaded that is ready; waits for one; None when none came."""
        deadline = time.monotonic() + wait_seconds
        while True:
            ready = [
                known
                for known in self.seen()
                if known.description is not None and known.description.is_ready
            ]
            if ready:
                chosen = min(ready, key=lambda known: (known.load, known.address))
                chosen.dispatched += 1
                return chosen
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

    async def _resolve_forever(self) -> None:
        while True:
            try:
                addresses = {
                    address
                    for name in self._names
                    for address in await _addresses_of(name)
                }
                self._follow(addresses)
                await self._forget_unused()
            except OSError as error:
                _logger.warning("orchestrator names not resolved", error=str(error))
            except Exception:  # nobody else would look again
                _logger.exception("orchestrators not followed")
            await asyncio.sleep(self._resolve_seconds)

    def _follow(self, addresses: set[str]) -> None:
        for address in addresses:
            known = self.find(address)
            if known.poll is None:
                known.poll = asyncio.create_task(self._poll_forever(known))
        for address, known in self._known.items():
            if address not in addresses and known.poll is not None:
                known.poll.cancel()
                known.poll = None
                known.description = None

    async def _forget_unused(self) -> None:
        """Close addresses that are gone and that no run can be at any more."""
        oldest = time.monotonic() - self._kept_seconds
        for address, known in list(self._known.items()):
            if known.poll is None and known.wanted_at < oldest:
                del self._known[address]
                await known.client.aclose()


def _checked(name: str) -> str:
    host, _, port = name.rpartition(":")
    if name.startswith("unix:") or (host and port.isdigit()):
        return name
    message = f"{name!r} is not an orchestrator's address: host:port is expected"
    raise ValueError(message)


async def _addresses_of(name: str) -> list[str]:
    """Every `host:port` behind a name; literal addresses are kept as they are."""
    host, _, port = name.rpartition(":")
    if name.startswith("unix:") or _is_literal(host):
        return [name]
    found = await asyncio.get_running_loop().getaddrinfo(host, int(port))
    return sorted({_joined(str(entry[4][0]), port) for entry in found})


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _joined(host: str, port: str) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
