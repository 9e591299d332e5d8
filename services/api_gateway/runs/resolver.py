"""The names orchestrators are configured by, and the addresses behind them."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Collection, Iterable

import structlog

__all__ = ["AddressResolver", "Lookup", "is_final_address", "look_up_by_system"]

_logger = structlog.get_logger(__name__)

_LOOK_UP_SECONDS = 5.0
"""Other names do not wait longer for one that is not answered."""

type Lookup = Callable[[str], Awaitable[Collection[str]]]
"""Gives every IP address of a host name; raises OSError when it cannot tell."""


async def look_up_by_system(host: str) -> Collection[str]:
    """Ask the machine's resolver for the A and AAAA records of a name."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        # Python's answer for names that DNS cannot hold.
        raise OSError(f"{host!r} is no host name: {error}") from error
    return {str(entry[4][0]) for entry in found}


class AddressResolver:
    """Turns `host:port` names into the `ip:port` addresses that answer for them.

    IP literals and `unix:` paths stand for themselves and are never looked up. A
    name that cannot be looked up just now keeps the addresses it had. Raises
    ValueError for a name that is neither `host:port` nor `unix:path`.
    """

    def __init__(
        self, names: Iterable[str], *, look_up: Lookup = look_up_by_system
    ) -> None:
        self._look_up = look_up
        self._addresses: dict[str, frozenset[str]] = {
            name: frozenset([name] if is_final_address(name) else [])
            for name in map(_checked, names)
        }
        self._unresolved: set[str] = set()

    async def addresses(self) -> frozenset[str]:
        """Look every name up again, at once; the addresses of all of them."""
        names = [name for name in self._addresses if not is_final_address(name)]
        await asyncio.gather(*map(self._resolve, names))
        return frozenset().union(*self._addresses.values())

    async def _resolve(self, name: str) -> None:
        host, _, port = name.rpartition(":")
        try:
            async with asyncio.timeout(_LOOK_UP_SECONDS):
                found = await self._look_up(host)
        except OSError as error:
            if name not in self._unresolved:
                _logger.warning(
                    "orchestrator name not resolved", name=name, error=str(error)
                )
            self._unresolved.add(name)
            return
        self._unresolved.discard(name)
        self._addresses[name] = frozenset(_joined(address, port) for address in found)


def is_final_address(address: str) -> bool:
    """Whether nothing would look the address up: `ip:port` or `unix:path`."""
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0]
    try:
        ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _checked(name: str) -> str:
    host, _, port = name.rpartition(":")
    if name.startswith("unix:") or (host and port.isdecimal()):
        return name
    message = f"{name!r} is not an orchestrator's address: host:port is expected"
    raise ValueError(message)


def _joined(host: str, port: str) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
