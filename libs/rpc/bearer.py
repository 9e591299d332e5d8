"""The token that services show each other whenever a call leaves loopback."""

import hmac
import ipaddress
from pathlib import Path

__all__ = ["BearerToken", "is_loopback"]

_SCHEME = "Bearer "
_HEADER = "authorization"


class BearerToken:
    """A shared token in a file; a rotated file is noticed without a restart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._token = ""
        self._read()

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the metadata that authenticates one call."""
        return ((_HEADER, _SCHEME + self._read()),)

    def is_shown_in(self, metadata: tuple[tuple[str, str | bytes], ...] | None) -> bool:
        """Tell whether a call's metadata carries the token."""
        expected = (_SCHEME + self._read()).encode()
        for key, value in metadata or ():
            if key == _HEADER:
                shown = value if isinstance(value, bytes) else value.encode()
                return hmac.compare_digest(shown, expected)
        return False

    def _read(self) -> str:
        stat = self._path.stat()
        stamp = (stat.st_mtime_ns, stat.st_ino)
        if stamp != self._stamp:
            token = self._path.read_text("utf-8").strip()
            if not token:
                message = f"token file {str(self._path)!r} is empty"
                raise ValueError(message)
            self._token, self._stamp = token, stamp
        return self._token


def is_loopback(address: str) -> bool:
    """Tell whether a gRPC address, `host:port` or `unix:path`, stays on this host."""
    if address.startswith("unix:"):
        return True
    host = address.removeprefix("ipv4:").removeprefix("ipv6:").rpartition(":")[0]
    host = host.strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
