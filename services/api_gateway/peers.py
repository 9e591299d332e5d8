"""Who stands at the other end: the real address, scheme and origin of a request."""

from collections.abc import Collection
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

__all__ = ["PeerPolicy"]

_HTTP_SCHEMES = {"ws": "http", "wss": "https"}


class PeerPolicy:
    """Decides what is believed about a peer, for HTTP and sockets alike."""

    def __init__(
        self,
        *,
        external_url: str | None,
        allowed_origins: Collection[str],
        trusted_proxies: Collection[IPv4Network | IPv6Network],
    ) -> None:
        self._external_origin = _origin(external_url) if external_url else None
        self._allowed = frozenset(_origin(origin) for origin in allowed_origins)
        self._proxies = tuple(trusted_proxies)

    def address(self, connection: HTTPConnection) -> str:
        """The client's address.

        X-Forwarded-For is read from the right for as long as the addresses are
        trusted proxies; what stands before them anybody can write.
        """
        return self._hops(connection)[-1]

    def is_secure(self, connection: HTTPConnection) -> bool:
        """Whether the founder's browser speaks https."""
        return self.own_origin(connection).startswith("https:")

    def origin_is_allowed(self, connection: HTTPConnection) -> bool:
        """Whether the Origin sent is the gateway's own or an allowed one.

        No Origin is not an allowed one: callers decide what that means.
        """
        origin = _origin(connection.headers.get("origin", ""))
        if not origin:
            return False
        return origin in self._allowed or origin == self.own_origin(connection)

    def own_origin(self, connection: HTTPConnection) -> str:
        """Where the founder's browser reaches the gateway, without a path."""
        if self._external_origin is not None:
            return self._external_origin
        scheme = connection.scope["scheme"]
        scheme = _HTTP_SCHEMES.get(scheme, scheme)
        # Proxies that add to the list, rather than replace it, have an entry each.
        proxies = len(self._hops(connection)) - 1
        told = _listed(connection, "x-forwarded-proto")[-proxies:] if proxies else []
        if told and told[0].lower() in {"http", "https"}:
            scheme = told[0].lower()
        return _origin(f"{scheme}://{connection.headers.get('host', '')}")

    def _hops(self, connection: HTTPConnection) -> list[str]:
        """The peer, and every address that the trusted proxies tell, nearest first.

        A last proxy that tells no address is followed by itself.
        """
        hops = [connection.client.host if connection.client else ""]
        told = _listed(connection, "x-forwarded-for")
        while self._is_trusted(hops[-1]):
            if not told:
                hops.append(hops[-1])
                break
            hops.append(_without_port(told.pop()))
        return hops

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._proxies)


def _listed(connection: HTTPConnection, name: str) -> list[str]:
    """A header's entries, however many lines it was sent on."""
    entries = ",".join(connection.headers.getlist(name)).split(",")
    return [entry.strip() for entry in entries if entry.strip()]


def _without_port(address: str) -> str:
    """Some proxies tell `203.0.113.9:5000` or `[2001:db8::9]:5000`."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    host, colon, port = address.partition(":")
    return host if colon and port.isdigit() else address


def _origin(address: str) -> str:
    """Normalise to scheme, host and a port that is not the default one."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return ""
    if not parts.hostname or parts.scheme not in {"http", "https"}:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    is_default = port in {None, 443 if parts.scheme == "https" else 80}
    return f"{parts.scheme}://{host}" + ("" if is_default else f":{port}")
