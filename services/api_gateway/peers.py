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
        address = connection.client.host if connection.client else ""
        hops = ",".join(connection.headers.getlist("x-forwarded-for")).split(",")
        for hop in reversed(hops):
            if not hop.strip() or not self._is_trusted(address):
                break
            address = hop.strip()
        return address

    def is_secure(self, connection: HTTPConnection) -> bool:
        """Whether the founder's browser speaks https."""
        return self._own_origin(connection).startswith("https:")

    def origin_is_allowed(self, connection: HTTPConnection) -> bool:
        """Whether the Origin sent is the gateway's own or an allowed one.

        No Origin is not an allowed one: callers decide what that means.
        """
        origin = _origin(connection.headers.get("origin", ""))
        if not origin:
            return False
        return origin in self._allowed or origin == self._own_origin(connection)

    def _own_origin(self, connection: HTTPConnection) -> str:
        if self._external_origin is not None:
            return self._external_origin
        scheme = connection.scope["scheme"]
        scheme = _HTTP_SCHEMES.get(scheme, scheme)
        forwarded = connection.headers.get("x-forwarded-proto")
        client = connection.client.host if connection.client else ""
        if forwarded in {"http", "https"} and self._is_trusted(client):
            scheme = forwarded
        return _origin(f"{scheme}://{connection.headers.get('host', '')}")

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._proxies)


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
