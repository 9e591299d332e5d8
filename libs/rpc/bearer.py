"""The token that services show each other whenever a call leaves loopback."""

import hmac
import ipaddress
from pathlib import Path

import structlog

__all__ = ["BearerToken", "is_loopback"]

_logger = structlog.get_logger(__name__)

_SCHEME = "Bearer "
_HEADER = "authorization"


class BearerToken:
    """A shared token in a file; a rotated file is noticed without a restart.

    A file that cannot be read later leaves the last token in use. Raises OSError
    or ValueError when there is none to begin with.
    """

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
        try:
            self._renew()
        except (OSError, ValueError) as error:
            # Files are away or empty for a moment while they are replaced.
            if self._stamp is None:
                raise
            _logger.warning("token file not read", error=str(error))
        return self._token

    def _renew(self) -> None:
        stat = self._path.stat()
        stamp = (stat.st_mtime_ns, stat.st_ino)
        if stamp == self._stamp:
            return
        token = self._path.read_text("utf-8").strip()
        if not token:
            message = f"token file {str(self._path)!r} is empty"
            raise ValueError(message)
        self._token, self._stamp = token, stamp


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
