"""Which addresses a model's endpoint may lead to.

A document names a host; what counts is where the connection really goes. So names
are resolved here, each address is judged, and the one that was judged is connected
to: a name that is told another address a moment later gains nothing.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

from services.orchestrator.errors import LLMAddressRefusedError

__all__ = ["Address", "AddressPolicy", "Network", "Resolve", "resolve"]

type Address = IPv4Address | IPv6Address
type Network = IPv4Network | IPv6Network
type Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a host's name."""

_NAT64: Final = ip_network("64:ff9b::/96")
_GLOBAL_UNICAST: Final = ip_network("2000::/3")
"""All that is handed out of IPv6; the rest may lead to IPv4 in ways of its own."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver, in its preference.

    Raises:
        OSError: The name has no address.

    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Public addresses are open; others only by the operator's word.

    Loopback needs a host that is written as such (`127.0.0.1`, `localhost`), and
    `allows_loopback`: a server on a founder's own machine. `networks` opens private
    and link-local ranges, of which the cluster's API server is no part unless it is
    listed by its very address.
    """

    allows_loopback: bool = True
    networks: tuple[Network, ...] = ()

    async def addresses(self, host: str, port: int, resolve: Resolve) -> list[str]:
        """The addresses of a host that may be connected to, in order.

        Raises:
            LLMAddressRefusedError: There are addresses, and none is allowed.
            OSError: The name has no address.

        """
        literal = _literal(host)
        found = [str(literal)] if literal else await resolve(host, port)
        is_local = host == "localhost" or (literal is not None and _is_here(literal))
        allowed = [text for text in found if self._is_allowed(text, is_local=is_local)]
        if not allowed:
            raise LLMAddressRefusedError(
                "the model's endpoint leads to an address that is not allowed"
            )
        return allowed

    def _is_allowed(self, text: str, *, is_local: bool) -> bool:
        address = _plain(ip_address(text.partition("%")[0]))
        listed = [network for network in self.networks if address in network]
        if str(address) == os.environ.get("KUBERNETES_SERVICE_HOST"):
            return any(network.num_addresses == 1 for network in listed)
        if listed:
            return True
        if is_local or address.is_loopback:
            return is_local and address.is_loopback and self.allows_loopback
        if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
            return False
        return address.is_global and not address.is_multicast


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def _is_here(address: Address) -> bool:
    """Whether an address is written as one of this machine; a relay's is not."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def _plain(address: Address) -> Address:
    """The IPv4 address an IPv6 address leads to, if it does."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
