"""Ask a program whether it serves."""

import asyncio
import http.client
from http import HTTPStatus

__all__ = ["wait_until_ready"]

_POLL_SECONDS = 0.1


async def wait_until_ready(host: str, port: int) -> None:
    """Return once `GET /readyz` is answered with 200; ask until cancelled."""
    while not await asyncio.to_thread(_is_ready, host, port):  # noqa: ASYNC110 - another process has no event
        await asyncio.sleep(_POLL_SECONDS)


def _is_ready(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
