"""Where the operator's replicas are: one of them leads, and nobody says which."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence

__all__ = ["Resolve", "addresses_of"]

type Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""Gives all addresses behind one; raises OSError when there is none."""


async def addresses_of(address: str) -> list[str]:
    """Return all addresses behind `host:port` or `unix:path`, in the resolver's order.

    Raises OSError when the name has none.
    """
    if address.startswith("unix:"):
        return [address]
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM
        )
    except UnicodeError as error:
        raise OSError(f"{host!r} is no name") from error
    hosts = dict.fromkeys(str(entry[4][0]) for entry in found)
    return [f"[{one}]:{port}" if ":" in one else f"{one}:{port}" for one in hosts]
